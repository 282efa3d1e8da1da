"""The estimate as a command: speeds that are measured once and kept, tables, JSON, bad input."""

import json

import pytest
import torch
from tiny import ROOT

from udd.command import main
from udd.costs import calibration
from udd.costs.calibration import Pace, known, pace_key, paces
from udd.costs.report import duration, run
from udd.costs.steps import Model, Step
from udd.errors import UserError

CPU = torch.device("cpu")
TINY = Model("convnet3", 4, 3, 8, 5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of one's own, in which nothing is kept yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "udd" / "calibration"


def test_a_speed_is_measured_once_and_kept(cache, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "BUDGET", 0.1)
    steps = [Step("train", TINY, 3), Step("train", TINY._replace(classes=9), 5), Step("synthetic", TINY, 3)]
    found = paces(steps, CPU, say=print)
    assert capsys.readouterr().out.count("measuring") == 1
    assert len(found) == len(list(cache.iterdir())) == 2  # whatever the number of images and classes
    assert all(pace.seconds(64) > 0 and min(pace) >= 0 for pace in found.values())
    assert paces(steps, CPU, say=print) == found and not capsys.readouterr().out
    paces(steps, CPU, again=True, say=print)
    assert "measuring" in capsys.readouterr().out
    key = pace_key(steps[0])
    monkeypatch.setattr(calibration, "conditions", lambda _: {"device": "another"})
    assert known(key, CPU) is None


def test_a_spoilt_or_missing_cache_is_no_hindrance(cache, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "measured", lambda *_: Pace(1.0, 2.0))
    step = Step("train", TINY, 3)
    paces([step], CPU)
    next(cache.iterdir()).write_text("{")
    assert known(pace_key(step), CPU) is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert paces([step], CPU) == {pace_key(step): Pace(1.0, 2.0)}
    assert "not kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("one", "many", "expected"), [(1.0, 64.0, (0, 1)), (10.0, 73.0, (9, 1)), (1.0, 128.0, (0, 2)), (3.0, 2.0, (3, 0))]
)
def test_a_pace_is_a_line_that_never_falls_below_nought(one, many, expected, monkeypatch):
    monkeypatch.setattr(calibration, "timed", lambda step, *_: {1: one, 64: many}[step.images])
    monkeypatch.setattr(calibration, "MANY", 64)
    assert calibration.measured(Step("train", TINY, 0), CPU, 1e9) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(12.34, "12.3 s"), (300, "5 min"), (36_000, "10 h"), (864_000, "10 days"), (8.64e8, "10,000 days")],
)
def test_times_are_said_in_units_that_suit_them(seconds, said):
    assert duration(seconds) == said


@pytest.fixture
def quick(cache, monkeypatch):
    """Speeds without measuring."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(calibration, "measured", lambda *_: Pace(0.0, 1e-3))


def test_the_command_prints_tables(quick, capsys):
    run(["--table", "policy", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[4:8]] == ["coreset", "distil", "evaluate", "total"]
    assert lines[2].split() == ["job", "data", "set", "jobs", "PFLOP", "time", "peak", "memory"]
    assert any(line.startswith("Jobs one after another") for line in lines)


def test_the_command_prints_json(quick, capsys):
    run(["--json", "--device", "cpu", "--params", "params.yaml", "experiments/demo.yaml", "--table", "regions"])
    found = json.loads(capsys.readouterr().out)
    rows = {row["job"]: row for row in found["costs"]}
    assert rows["distil"]["jobs"] == 3
    assert rows["total"]["flop"] == sum(row["flop"] for name, row in rows.items() if name != "total")
    assert found["conditions"].keys() == {"device", "torch", "threads"} and found["speeds"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--table", "polcy"], "--table polcy: not in params.yaml; expected one of main, policy"),
        (["--device", "nothing"], "--device nothing: not a device"),
    ],
)
def test_bad_input_is_one_line(argv, message, quick, capsys):
    with pytest.raises(SystemExit) as ended:
        main(lambda: run(argv))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_what_a_set_cannot_meet_is_refused_before_anything_is_counted(tmp_path):
    (tmp_path / "over.yaml").write_text(
        "distill: {networks: cached, image_move: 0.01}\nvariants: {far: {method: dm}}\ntables: {main: {variants: "
        "[far]}}\n"
    )
    with pytest.raises(
        UserError,
        match=r"params.yaml \+ over.yaml: far: found image_move: 0.01 for dm and networks: cached; it asks for",
    ):
        run(["--params", str(ROOT / "params.yaml"), str(tmp_path / "over.yaml"), "--table", "main", "--device", "cpu"])
