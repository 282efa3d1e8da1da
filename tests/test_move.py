"""The pixels' rate by how far they move (`image_move`): that they do, that nothing else
changes, and who may ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from runs import Run, same, states
from tiny import config, dataset, of_method

import udd
from udd.config.params import load
from udd.config.plan import Cell, merged, read_keys, set_config
from udd.config.short import FRESH, MOVED, STEPS, moving
from udd.errors import UserError
from udd.methods.rate import LOOKS, by_move
from udd.runs import loop
from udd.schedules import distance_of, planned

CACHED: dict[str, Any] = {"networks": "cached", "compile": "never"}
WAYS: list[dict[str, Any]] = [
    {"method": "idc"},
    {"method": "idc", "distance": "l1", "ipc": 1},
    {"policy": "all"},
    {"policy": "jitter", "ipc": 3},
]


def asked(move: float, **changes: Any) -> dict[str, Any]:
    return config(**dict[str, Any](CACHED | changes | {"image_move": move}))


def found(run: Run) -> float:
    return run.image_lr


@pytest.mark.parametrize("changes", [way for way in WAYS if way.get("policy") != "jitter"])  # which draws at each look
def test_a_step_from_the_start_moves_the_pixels_as_far_as_is_said(changes: dict[str, Any]):
    run = Run(asked(0.02, **changes), dataset())
    start, moved = run.state, []
    config = run.stepped | {"distill": run.stepped["distill"] | {"image_momentum": 0.0}}
    for look in range(LOOKS):
        met = run.meeting(False, "rate", "tiny", 0, look)
        after = run.method.step(start, met, config)[0]
        moved.append(np.sqrt(np.mean((after.images - start.images).double().numpy() ** 2)))
    assert np.mean(moved) == pytest.approx(0.02, rel=6e-3)  # three digits


@pytest.mark.parametrize("changes", WAYS)
def test_a_run_is_that_of_the_rate_that_was_found(changes: dict[str, Any]):
    data, move = dataset(), asked(0.02, **changes)
    rate = found(Run(move, data))
    given = config(**dict[str, Any](CACHED | changes | {"image_lr": rate}))
    assert "image_lr" not in move["distill"] and "image_move" not in given["distill"]
    assert all(same(one, other) for one, other in zip(states(move, data), states(given, data), strict=True))


def test_twice_as_far_is_twice_the_rate_and_each_set_has_its_own():
    rates = [found(Run(asked(move, seed=seed), dataset())) for move, seed in ((0.02, 0), (0.04, 0), (0.02, 1))]
    assert rates[1] == pytest.approx(2 * rates[0], rel=6e-3) and rates[2] != rates[0]


def test_a_run_that_goes_on_takes_the_rate_of_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Found again elsewhere it might be another."""
    first = Run(asked(0.02, method="idc"), dataset(), tmp_path / "run")
    first.advance(False)
    first.keep()
    monkeypatch.delattr(loop.rate, "by_move")
    assert Run(asked(0.02, method="idc"), dataset(), tmp_path / "run").image_lr == first.image_lr > 0


def test_a_set_keeps_the_rate_that_was_found(tmp_path: Path):
    keys = {
        "width": 4,
        "outer": 1,
        "inner": 2,
        "networks": "cached",
        "cache_networks": 1,
        "cache_ages": 2,
        "net_images": 6,
        "batch_real": 5,
    }
    made = udd.distill(
        dataset(side=16), "idc", 1, cache=tmp_path, checkpoint=tmp_path / "run", device="cpu", image_move=0.01, **keys
    )
    assert made.metadata["provenance"]["image_lr"] > 0 and "image_lr" not in made.metadata["config"]["distill"]


@given(st.floats(1e-6, 1e6), st.floats(1e-5, 1.0), st.integers(1, 50), st.integers(0, 2**32))
def test_the_rate_is_the_move_over_the_mean_length_of_the_gradient(scale: float, move: float, ipc: int, seed: int):
    gradients = scale * torch.randn(
        LOOKS, 2, ipc, 1, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    rate = by_move({"ipc": ipc, "distill": {"image_move": move}}, gradients.__getitem__)
    lengths = [np.linalg.norm(each.numpy()) / np.sqrt(each.numel()) for each in gradients]
    assert rate * ipc / 10 * np.mean(lengths) == pytest.approx(move, rel=6e-3)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_gradient_that_tells_nothing_is_refused(value: float):
    with pytest.raises(
        UserError, match=rf"idc: image_move: found a gradient of {value} .* write image_lr in place of image_move"
    ):
        by_move(
            {"variant": "idc", "ipc": 1, "distill": {"image_move": 0.1}}, lambda _: torch.full((1, 1, 1, 2, 2), value)
        )


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("idc", {}),
        ("udd", {"networks": "fresh"}),
        ("dm", {"networks": "cached"}),
        ("udd-features", {}),
        ("dsa", {}),
        ("dance", {}),
    ],
)
def test_who_does_not_match_gradients_of_cached_networks_is_refused(method: str, keys: dict[str, Any]):
    with pytest.raises(
        UserError,
        match=r"found image_move: 0.01 .*; it asks for a method of gradients \(udd, idc\) and networks: cached",
    ):
        udd.distill(dataset(side=16), method, 1, device="cpu", image_move=0.01, **keys)


def test_of_the_two_rules_one_is_in_force():
    section = {"networks": "cached", "image_lr": 0.1}
    assert read_keys(section | {"image_move": 0.0}) == section
    assert read_keys(section | {"image_move": 0.2}) == {"networks": "cached", "image_move": 0.2}
    assert of_method("idc")["distill"]["image_lr"] == 0.005 and "image_move" not in of_method("idc")["distill"]


def test_the_published_configurations_know_nothing_of_it():
    params = load([Path(__file__).parent.parent / "params.yaml"])
    assert all(
        "image_move" not in set_config(params, Cell("cifar10", 10, name), 0).get("distill", {})
        for name in params["variants"]
    )


def test_a_longer_schedule_moves_less_as_its_steps_add_up():
    def move(outer: int, inner: int) -> float:
        return moving({"image_move": 1.0, "networks": "cached", "outer": outer, "inner": inner}, {})["image_move"]

    assert move(1, 1) == move(50, 40) == MOVED["mse"] and move(100, 40) == pytest.approx(MOVED["mse"] / 2)
    whole = [outer * 100 * move(outer, 100) for outer in (20, 200, 2000)]  # all that pixels move, from STEPS on
    assert STEPS == 2000 and whole == pytest.approx([whole[0]] * 3)


@pytest.mark.parametrize("wrong", ["1e3", 0, None, -2, True])
def test_counts_that_are_none_are_left_to_be_refused(wrong: Any):
    assert (
        moving({"image_move": 1.0, "networks": "cached", "outer": wrong, "inner": 1}, {})["image_move"] == MOVED["mse"]
    )


def test_the_rate_that_is_written_last_is_in_force():
    given = load([Path(__file__).parent.parent / "params.yaml"])
    given["distill"] |= {"networks": "cached", "image_move": 0.02}
    given["variants"]["slow"] = {"method": "idc", "distill": {"image_lr": 0.001}}
    given["variants"]["far"] = {"method": "idc", "distill": {"image_move": 0.03}}
    given["variants"]["both"] = {"method": "idc", "distill": {"image_move": 0.03, "image_lr": 0.001}}
    for name, move in (("slow", 0.0), ("far", 0.03), ("both", 0.03), ("idc", 0.02)):
        assert merged(given, "distill", Cell("cifar10", 1, name))["image_move"] == move
    assert merged(given, "distill", Cell("mnist", 1, "idc"))["image_move"] == 0.0  # which has a rate of its own
    assert merged(given, "distill", Cell("mnist", 1, "far"))["image_move"] == 0.03
    # A variant's own layers among them: at an IPC, on a data set, at an IPC there
    layers = {"ipc10": {"distill": {"image_lr": 0.1}}, "datasets": {"svhn": {"distill": {"image_lr": 0.2}}}}
    layers["datasets"]["svhn"]["ipc10"] = {"distill": {"image_move": 0.04}}
    given["variants"]["far"] |= layers
    for name, ipc, move in (("cifar10", 1, 0.03), ("cifar10", 10, 0.0), ("svhn", 1, 0.0), ("svhn", 10, 0.04)):
        assert merged(given, "distill", Cell(name, ipc, "far"))["image_move"] == move, (name, ipc)


def test_what_was_asked_for_stays():
    short = {"image_move": 1.0, "networks": "cached", "outer": 1, "inner": 1}
    assert moving(short | {"image_move": 0.5}, {"image_move": 0.5})["image_move"] == 0.5
    assert moving(short | {"image_lr": 0.5}, {"image_lr": 0.5}) == {
        "networks": "cached",
        "outer": 1,
        "inner": 1,
        "image_lr": 0.5,
    }
    assert moving(short | {"networks": "fresh"}, {"networks": "fresh"}) == {
        "networks": "fresh",
        "outer": 1,
        "inner": 1,
        "image_lr": FRESH["mse"],
    }
    none = moving(short | {"image_move": 0, "outer": 40, "inner": 100}, {"image_move": 0})
    assert none == {"networks": "cached", "outer": 40, "inner": 100, "image_lr": FRESH["mse"] / 2}
    assert moving({"outer": 1}, {}) == {"outer": 1}


BY_L1: dict[str, Any] = {"distance": "l1"}
SQUARED: dict[str, Any] = {"distance": "mse"}


@pytest.mark.parametrize(
    ("name", "asked", "distance"),
    [("mnist", {}, "l1"), ("flowers", {}, "mse"), ("flowers", BY_L1, "l1"), ("mnist", SQUARED, "mse")],
)
@pytest.mark.parametrize("method", ["udd", "idc"])
def test_by_l1_pixels_move_less(name: str, asked: dict[str, Any], distance: str, method: str):
    data = dataset()._replace(name=name)
    assert distance_of(data, method, 1, asked) == distance
    assert planned(method, 1, asked, distance)["image_move"] == MOVED[distance]
    assert planned(method, 1, asked | {"networks": "fresh"}, distance)["image_lr"] == FRESH[distance]
