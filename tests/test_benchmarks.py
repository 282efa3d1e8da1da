"""The benchmarks run, and what they time is right. Nothing here depends on how long it takes."""

import json

import pytest
import torch

from benchmarks import __main__, cached, evaluation, step, timing, towards, variants
from benchmarks.problem import in_float64, problem
from benchmarks.settings import Settings, Size
from udd.objectives import losses
from udd.objectives.gradients import Embedding
from udd.objectives.matching import cfc_options
from udd.proxies.cached import meet
from udd.runs import loop

CPU = torch.device("cpu")
# torch's own, when its forward derivatives load
forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")


def test_the_step_is_measured_and_right(tmp_path):
    path = tmp_path / "step.json"
    __main__.run(["step", "--small", "--eager", "--seconds", "0.01", "--device", "cpu", "--json", str(path)])
    found = json.loads(path.read_text())
    assert {"device", "threads", "versions", "git", "seconds", "small"} <= found["conditions"].keys()
    rows = found["tables"]["step"]
    assert {(row["dataset"], row["IPC"]) for row in rows} == {
        (name, ipc) for name in ("cifar10", "cifar100") for ipc in (1, 3)
    }
    assert {row["way"] for row in rows} == {step.REFERENCE, "float32 eager"}
    for row in rows:
        assert row.keys() == {
            "dataset",
            "IPC",
            "classes",
            "pairs",
            "way",
            "seconds",
            "min",
            "repetitions",
            "first",
            "ratio",
            "error",
        }
        assert 0 < row["min"] <= row["seconds"] and row["repetitions"] >= 1 and row["ratio"] > 0
        assert row["error"] < 1e-4


def test_the_variants_give_the_same_gradient(monkeypatch):
    monkeypatch.setattr(variants, "compiled", lambda function: function)
    given = in_float64(problem(Size(4, 2, 3, 8), 3, 2, CPU))
    exact = step.of_reference(given)()
    for network in (given.network, variants.unfolded(given.network)):
        assert step.error(variants.at_once(given, network, "float32")(), exact) < 1e-9
    assert step.error(step.of_package(given, {"precision": "float32", "compile": "never"})(), exact) < 1e-9


@forward_mode
@pytest.mark.parametrize("distance", ["mse", "l1"])
@pytest.mark.parametrize("matched", ["convolutions", "all"])
def test_forward_over_reverse_is_the_same_gradient(distance, matched):
    """In float64 to rounding, L_c with its weight in it, with the losses and the mean feature."""
    given = in_float64(problem(Size(4, 2, 3, 8), 3, 2, CPU))
    model, (seen, _) = Embedding(given.network), towards.inputs_of(given)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    source = torch.Generator().manual_seed(0)
    target = [
        0.1 * torch.randn(weight.shape, generator=source, dtype=torch.float64)
        for weight in losses.chosen(weights.values(), matched)
    ]
    options = (*cfc_options(given.work), distance, matched)
    exact, found = (
        made(model, weights, seen[1].double(), torch.tensor(1), target, *options) for made in towards.FUNCTIONS.values()
    )
    assert step.error(found[0], exact[0]) < 1e-12
    assert all(torch.allclose(one, other, rtol=1e-12) for one, other in zip(found[1], exact[1], strict=True))


@forward_mode
def test_the_ways_towards_a_known_gradient_agree():
    given = problem(Size(4, 2, 3, 8), 3, 2, CPU)
    found = [way() for way in towards.candidates(given, "float32", False).values()]
    assert len(found) == 4 and all(step.error(one, found[0]) < 1e-4 for one in found)


def test_steps_on_cached_networks_are_measured_beside_fresh_ones(monkeypatch):
    met = []
    monkeypatch.setattr(loop.cached, "meet", lambda *given: met.append(given) or meet(*given))
    found = cached.run(Settings(CPU, seconds=0, small=True, eager=True))
    # A first step, and a round of one
    assert len(met) == 2 * sum(row["networks"] == "cached" for row in found["cached"])
    assert [(row["method"], row["IPC"], row["networks"]) for row in found["cached"]] == [
        (method, ipc, kind) for method in ("idc", "udd") for ipc in (1, 3) for kind in ("fresh", "cached")
    ]
    assert all(row["ratio"] == 1 for row in found["cached"] if row["networks"] == "fresh")


def test_an_ablation_pays_for_its_cache_once():
    fresh, kept = cached.ablation({"fresh": 2.0, "cached": 1.0}, look=3.0, train=5.0)
    steps = cached.CELLS * cached.STEPS
    assert fresh["hours"] == 2 * steps / 3600 and kept["hours"] == (steps + 10 * (40 * 3 + 39 * 5)) / 3600
    assert fresh["ratio"] == 1 and kept["ratio"] == fresh["hours"] / kept["hours"]


def test_a_way_that_fails_is_left_out(capsys):
    def broken():
        raise RuntimeError("no\ncompiler")

    taken = timing.compare({"broken": broken, "works": lambda: None}, CPU, 0)
    assert list(taken) == ["works"] and taken["works"].repetitions == 1
    assert "broken is left out: no compiler\n" in capsys.readouterr().err


def test_the_whole_schedule_lies_on_the_line_through_two_parts():
    assert evaluation.whole([5 + 2 / 40, 5 + 2 / 10], parts=10) == pytest.approx(5 + 2)
    assert evaluation.whole([5.5, 7.0], parts=1) == 7.0
