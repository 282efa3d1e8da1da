"""A rate that was learned with a set: asked for by the key `rate`, alike in a job, from Python and by `udd evaluate`;
else nothing of it anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import dataset, params

import udd
from udd.config import plan
from udd.config.params import overlay
from udd.config.plan import Cell, Record
from udd.errors import UserError
from udd.evaluation import records
from udd.evaluation.rates import rated
from udd.provenance import code_digest
from udd.synthetic.sets import SyntheticSet

QUICK = {"width": 4, "epochs": 2, "checkups": 1}


def a_set(rate: float | None) -> SyntheticSet:
    """Random real images, with a rate or without."""
    made = udd.distill(dataset(), "random", 1, device="cpu")
    return made if rate is None else made._replace(metadata=made.metadata | {"rate": rate})


def planned(**changes: Any) -> dict[str, Any]:
    """The configuration of a record of the data set `tiny`, with changes to its variant's evaluation."""
    own = {"datasets": {"tiny": {"kind": "npz"}}, "evaluate": QUICK, "variants": {"random": {"evaluate": changes}}}
    return plan.evaluation_config(overlay(params(), own), Record(Cell("tiny", 1, "random"), 0, "idc", "convnet3"))


def recorded(made: SyntheticSet, path: Path, **changes: Any) -> dict[str, Any]:
    """The record of a set, written to `path`, with one network."""
    made.save(path)
    return records.record(planned(**changes), [0], dataset(), path, torch.device("cpu"), {}, lambda _: None)


def test_the_usual_rate_stands_in_no_configuration():
    assert "rate" not in planned()["evaluate"] and planned(rate="recipe") == planned()
    assert planned(rate="own")["evaluate"] == planned()["evaluate"] | {"rate": "own"}


def test_a_job_trains_with_the_sets_own_rate_and_notes_it_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, trained_at, real = tmp_path / "set.safetensors", [], records.evaluate

    def noted(config: dict[str, Any], *rest: Any) -> dict[str, Any]:
        trained_at.append(config["evaluate"]["lr"])
        return real(config, *rest)

    monkeypatch.setattr(records, "evaluate", noted)
    usual, own = recorded(a_set(0.5), path), recorded(a_set(0.5), path, rate="own")
    planned_at = params()["evaluate"]["lr"]
    assert trained_at == [planned_at, 0.5] and planned_at != 0.5
    assert own["rate"] == 0.5 and own["config"]["evaluate"]["lr"] == planned_at
    # An edit of what takes the rate is one of records that take it, and of no others
    code = code_digest("udd.evaluation.accuracy")
    assert usual["provenance"]["code"] == code
    assert own["provenance"]["code"] == f"{code} {code_digest('udd.evaluation.rates')}"
    assert "rate" not in usual and usual["networks"]["0"].keys() == own["networks"]["0"].keys()


def test_python_and_the_command_take_the_same_key(tmp_path: Path):
    """By a rate at which no training goes well."""
    made, said = a_set(1e30), r"loss is not finite \(epoch \d of 2, lr 1e\+30\)"
    assert len(udd.evaluate(made, dataset(), 1, device="cpu", **QUICK).values) == 1
    with pytest.raises(UserError, match=said):
        udd.evaluate(made, dataset(), 1, device="cpu", **QUICK, rate="own")
    with pytest.raises(UserError, match=said):
        recorded(made, tmp_path / "set.safetensors", rate="own")
    with pytest.raises(UserError, match="evaluate.rate: found 'owm'; did you mean 'own'"):
        udd.evaluate(a_set(0.5), dataset(), 1, device="cpu", rate="owm")


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (None, "set.safetensors: found no learned rate, expected one, because of rate: own; mtt and dd"),
        (-0.1, "found the learned rate -0.1"),
    ],
)
def test_a_set_without_a_rate_is_refused_in_one_line(rate, said, tmp_path: Path):
    with pytest.raises(UserError, match=said) as error:
        recorded(a_set(rate), tmp_path / "set.safetensors", rate="own")
    assert "\n" not in str(error.value)


def test_the_rate_is_put_in_place_of_the_recipes():
    assert rated({"lr": 0.1, "rate": "own"}, {"rate": 0.02}, "x") == {"lr": 0.02, "rate": "own"}
    assert rated({"lr": 0.1}, {"rate": 0.02}, "x") == {"lr": 0.1} == rated({"lr": 0.1}, {}, "x")
