"""A schedule of so many minutes: what the arithmetic promises, and that a trial's keys make a set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import config as tiny_config
from tiny import dataset

import udd
from udd import own, schedules
from udd.config.short import budgeted
from udd.errors import UserError
from udd.runs import ages as runs_ages
from udd.runs import budget
from udd.runs.budget import SHARE, SLACK, TRIAL, Trial, affordable, enough, fitted, network_seconds, shortest

ALONE = ("dsa", "dc", "dd", "cafe", "kip")  # methods that meet no cache, whatever is asked
SMALL = {"width": 4, "net_images": 6, "net_batch": 4, "batch_real": 5, "device": "cpu"}
seconds = st.floats(1e-3, 1e2)


@given(
    st.builds(Trial, seconds, seconds, seconds),
    st.floats(1, 1e6),
    st.booleans(),
    st.integers(1, 50),
    st.integers(2, 40),
    st.integers(1, 9),
)
def test_a_schedule_keeps_to_its_seconds(found: Trial, whole: float, caches: bool, inner: int, ages: int, spacing: int):
    distill = {"inner": inner, "cache_networks": 5, "cache_ages": ages, "cache_spacing": spacing}
    most = 100 * inner if inner != 7 else 1  # fewer than are taken between two networks: these are
    try:
        keys = fitted(distill, found, whole, caches, most)
    except UserError as error:
        cache = affordable(distill, found, SHARE * SLACK * whole) if caches else {}
        cached = network_seconds(distill | cache, found) * cache["cache_networks"] if caches else 0.0
        assert cached + found.step * inner > SLACK * whole * (1 - 1e-9) and "or more" in str(error)
        assert whole < (least := shortest(distill, found, caches)) * (1 + 1e-9)
        assert fitted(distill, found, least * (1 + 1e-9), caches, most)["outer"] >= 1  # and these seconds hold some
        return
    cached = keys.get("cache_networks", 0) * network_seconds(distill | keys, found) if caches else 0.0
    assert 1 <= keys["outer"] <= 100 and cached + keys["outer"] * inner * found.step <= SLACK * whole * (1 + 1e-9)
    if caches:
        assert cached <= SHARE * SLACK * whole * (1 + 1e-9) or (keys["cache_networks"], keys["cache_spacing"]) == (1, 1)
        assert 1 <= keys["cache_networks"] <= 5 and 1 <= keys.get("cache_spacing", 1) <= spacing
    else:
        assert set(keys) == {"outer"}


@pytest.mark.parametrize(
    "method, asked, young", [("idc", {}, True), ("idc", {"cache_spacing": 9}, False), ("udd-features", {}, False)]
)
def test_methods_of_gradients_meet_networks_that_do_not_know_the_data_yet(
    method: str, asked: dict, young: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """Unless the ages were asked for: here everything counts as known at once, after the four ages of the trial."""
    monkeypatch.setattr(runs_ages, "KNOWN", 0)
    monkeypatch.setattr(
        schedules, "budgeted", lambda *of: budgeted(*of) | {key: SMALL[key] for key in SMALL if key != "device"}
    )
    keys = udd.budget(dataset(side=16), method, 1, 0.5, device="cpu", **asked)
    spacing = asked.get("cache_spacing", 8)
    assert (keys["cache_ages"], keys["net_images"], keys["cache_spacing"]) == ((9, 4, 1) if young else (10, 6, spacing))
    assert ("(one classified 95 % of the training images after 8)" in capsys.readouterr().err) == young


def test_ages_stay_as_planned_where_the_trial_has_no_time_to_find_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs_ages, "KNOWN", 101)
    config = tiny_config(method="idc", networks="cached", compile="never")
    assert budget.trial(config, dataset(), 0.1, ages=True).known == 0
    keys, found = budget.budget(config, dataset(), 0.05, 10**6)
    assert keys.keys() == {"cache_networks", "outer"} and found.known == 0


def test_more_time_holds_no_fewer_steps_and_no_fewer_networks():
    distill = {"inner": 1, "cache_networks": 5, "cache_ages": 10, "cache_spacing": 8}
    found = [fitted(distill, Trial(0.1, 0.5, 0.25), whole, True, 10**9) for whole in (60, 120, 240, 480, 960)]
    assert [keys["outer"] for keys in found] == sorted(keys["outer"] for keys in found)
    assert [keys["cache_networks"] for keys in found] == [1, 1, 3, 5, 5]
    assert found[-1]["outer"] == int((SLACK * 960 - 5 * (10 * 0.5 + 9 * 8 * 0.25)) / 0.1)


@pytest.mark.parametrize("method", ["udd", "idc", "dream", "dm", "mtt", "dance", "ncfm", "udd-features", *ALONE])
def test_the_keys_of_a_trial_make_a_set(method: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    keys = udd.budget(dataset(side=16), method, 1, 0.5, **SMALL)
    said = capsys.readouterr().err
    assert f"{keys['outer'] * keys.get('inner', 1):,} steps" in said and ("cached networks" in said) == (
        method not in ALONE and method != "dm"
    )
    few = (
        keys
        | {"outer": 1}
        | ({"cache_networks": 1, "cache_spacing": 1, "cache_ages": 4} if "cache_networks" in keys else {})
    )
    made = udd.distill(dataset(side=16), method, 1, checkpoint=tmp_path / "run", cache=tmp_path, device="cpu", **few)
    assert made.metadata["config"]["distill"]["width"] == 4 and len(made.images) == 3


def test_the_network_of_a_trial_has_as_many_ages_as_an_expert_is_followed_over():
    keys = udd.budget(dataset(side=16), "mtt", 1, 0.5, **SMALL, expert_ages=6)
    assert keys["cache_networks"] >= 1 and keys["outer"] >= 1


@pytest.mark.parametrize("asked", [{}, {"inner": 5}, {"image_lr": 0.1}])
@pytest.mark.parametrize("distance", ["mse", "l1"])
def test_fresh_networks_are_trained_between_steps_and_many_steps_are_smaller(
    asked: dict, distance: str, monkeypatch: pytest.MonkeyPatch
):
    """A network is new at the first of its inner steps, so `inner: 1` would show a set untrained ones alone."""
    monkeypatch.setattr(schedules, "afforded", lambda *of: ({"outer": 20_000 // of[0]["distill"]["inner"]}, Trial(0.1)))
    keys = udd.budget(dataset(side=16), "idc", 1, 5, device="cpu", networks="fresh", distance=distance, **asked)
    assert keys["inner"] == asked.get("inner", 40) and keys["outer"] * keys["inner"] == 20_000
    assert keys["image_lr"] == pytest.approx(asked.get("image_lr", {"mse": 0.032, "l1": 0.00064}[distance]))


@pytest.mark.parametrize(
    ("method", "keys", "problem"),
    [
        ("idc", {"outer": 3}, "found outer=3 as well; the minutes decide the steps"),
        ("random", {}, "random chooses real images and takes no steps"),
        ("idc", {"minuets": 3}, "unknown key 'minuets'"),
        ("idc", {"inner": 0}, "found 0, expected at least 1"),
        ("idc", {"networks": "fresh", "image_move": 0.1}, "found image_move: 0.1 for idc and networks: fresh"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_trial(
    method: str, keys: dict, problem: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(budget, "trial")
    with pytest.raises(UserError, match=problem):
        udd.budget(dataset(), method, 1, 5.0, **keys)


def test_minutes_that_hold_no_step_are_refused():
    said = r"minutes: 0 are left after the trial, which took .*, and the shortest schedule takes .*; give .* or more"
    with pytest.raises(UserError, match=said):
        udd.budget(dataset(side=16), "dm", 1, 1e-6, **SMALL)


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.floats(0, 1))
def test_the_minutes_that_are_advised_are_enough(fixed: float, needed: float, part: float):
    """A trial takes a time of its own, and of more minutes more: a part of them, once for steps and once for ages."""
    asked = 60 * 0.001
    spent = fixed + 2 * TRIAL * asked * part
    minutes = float(enough(spent, needed))
    assert 60 * minutes - (fixed + 2 * TRIAL * 60 * minutes) >= needed * (1 - 1e-9)
    assert minutes < 1.3 * (spent + needed) / 60


@pytest.mark.parametrize("word", ["0", "-1", "inf", "nan", "five"])
def test_minutes_are_a_number_above_0(word: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        own.run(["digits", "--minutes", word])
    assert left.value.code == 2 and f"found {word}, expected a number above 0" in capsys.readouterr().err


def test_the_command_keeps_the_keys_and_goes_on_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """A second trial would find others, and the checkpoint of a run that was cut would be none of theirs."""
    trials = iter(range(1, 9))
    found = {"width": 4, "net_images": 4, "batch_real": 4, "net_batch": 4}
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: dataset(side=16), raising=False)
    monkeypatch.setattr(udd, "budget", lambda *_, **__: found | {"outer": next(trials)}, raising=False)
    monkeypatch.chdir(tmp_path)
    words = ["digits", "--method", "dm", "--networks", "0", "--json", "--device", "cpu", "--minutes"]
    another = ["--out", "another.safetensors"]
    for lasting, outer, again in ((["2"], 1, False), (["2"], 1, True), (["3", *another], 2, False)):
        own.run([*words, *lasting])
        said = capsys.readouterr()
        assert udd.load(json.loads(said.out)["set"]).metadata["config"]["distill"]["outer"] == outer
        keys = f"--set width=4 net_images=4 batch_real=4 net_batch=4 outer={outer}"
        assert ("found before; delete it to choose anew" in said.err, keys in said.err) == (again, not again)
