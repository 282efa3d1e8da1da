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
from udd.evaluation.rates import rated
from udd.evaluation.records import record
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
    return record(planned(**changes), [0], dataset(), path, torch.device("cpu"), {}, lambda _: None)


def test_the_usual_rate_stands_in_no_configuration():
    assert "rate" not in planned()["evaluate"] and planned(rate="recipe") == planned()
    assert planned(rate="own")["evaluate"] == planned()["evaluate"] | {"rate": "own"}


def test_a_job_trains_with_the_sets_own_rate_and_notes_it_down(tmp_path: Path):
    path = tmp_path / "set.safetensors"
    usual, own, same = (
        recorded(a_set(0.5), path),
        recorded(a_set(0.5), path, rate="own"),
        recorded(a_set(0.5), path, lr=0.5),
    )
    logits = [found["networks"]["0"]["accuracy"] for found in (own, same)]
    assert (
        logits[0] == logits[1] and own["rate"] == 0.5 and own["config"]["evaluate"]["lr"] == params()["evaluate"]["lr"]
    )
    assert "rate" not in usual and usual["networks"]["0"].keys() == own["networks"]["0"].keys()


def test_python_and_the_command_take_the_same_key():
    values = [
        udd.evaluate(a_set(0.5), dataset(), 2, device="cpu", **QUICK, **keys).values
        for keys in ({}, {"rate": "own"}, {"lr": 0.5})
    ]
    assert values[1] == values[2]
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
