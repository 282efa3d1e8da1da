"""The benchmarks run, and what they time is right. Nothing here depends on how long it takes."""

import json

import pytest
import torch

from benchmarks import __main__, evaluation, step, timing, variants
from benchmarks.problem import in_float64, problem
from benchmarks.settings import Size

CPU = torch.device("cpu")


def test_the_step_is_measured_and_right(tmp_path):
    path = tmp_path / "step.json"
    __main__.run(["step", "--small", "--eager", "--seconds", "0.01", "--device", "cpu", "--json", str(path)])
    found = json.loads(path.read_text())
    assert {"device", "threads", "versions", "git", "seconds", "small"} <= found["conditions"].keys()
    rows = found["tables"]["step"]
    assert {(row["dataset"], row["IPC"]) for row in rows} == {(name, ipc) for name in ("cifar10", "cifar100") for ipc in (1, 3)}
    assert {row["way"] for row in rows} == {step.REFERENCE, "float32 eager"}
    for row in rows:
        assert row.keys() == {"dataset", "IPC", "classes", "pairs", "way", "seconds", "min", "repetitions", "first", "ratio", "error"}
        assert 0 < row["min"] <= row["seconds"] and row["repetitions"] >= 1 and row["ratio"] > 0
        assert row["error"] < 1e-4


def test_the_variants_give_the_same_gradient(monkeypatch):
    monkeypatch.setattr(variants, "compiled", lambda function: function)
    given = in_float64(problem(Size(4, 2, 3, 8), 3, 2, CPU))
    exact = step.of_reference(given)()
    for network in (given.network, variants.unfolded(given.network)):
        assert step.error(variants.at_once(given, network, "float32")(), exact) < 1e-9
    assert step.error(step.of_engine(given, {"precision": "float32", "compile": "never"})(), exact) < 1e-9


def test_a_way_that_fails_is_left_out(capsys):
    def broken():
        raise RuntimeError("no\ncompiler")

    taken = timing.compare({"broken": broken, "works": lambda: None}, CPU, 0)
    assert list(taken) == ["works"] and taken["works"].repetitions == 1
    assert "broken is left out: no compiler\n" in capsys.readouterr().err


def test_the_whole_schedule_lies_on_the_line_through_two_parts():
    assert evaluation.whole([5 + 2 / 40, 5 + 2 / 10], parts=10) == pytest.approx(5 + 2)
    assert evaluation.whole([5.5, 7.0], parts=1) == 7.0
