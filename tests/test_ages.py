"""How old cached networks may be: the arithmetic, the trial that says when one knows the data, and the short schedule that goes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import config as tiny_config
from tiny import dataset
from torch import Tensor

import udd
from udd import own, schedules
from udd.config.short import schedule
from udd.data import Dataset
from udd.errors import UserError
from udd.proxies.fresh import class_index
from udd.runs import ages
from udd.runs.ages import LOOKED, first_known, knows, oldest, younger

TINY: dict[str, Any] = {"width": 4, "batch_real": 5, "net_batch": 4, "compile": "never"}


@given(st.integers(1, 10**6), st.integers(2, 40), st.integers(1, 9), st.integers(1, 5000))
def test_the_last_age_comes_before_a_network_knows_the_data(known: int, ages: int, spacing: int, images: int):
    distill = {"cache_ages": ages, "cache_spacing": spacing, "net_images": images}
    keys, planned = younger(distill, known), (ages - 1) * spacing * images
    assert oldest(distill) == planned
    if known >= planned:
        assert keys == {}
        return
    last = oldest(distill | keys)
    assert last <= max(known, ages - 1) and keys["cache_spacing"] <= spacing and keys["net_images"] <= images
    assert 2 * last >= known - ages  # no younger than it must be


def test_the_ages_of_what_is_never_known_are_as_planned():
    assert younger({"cache_ages": 10, "cache_spacing": 8, "net_images": 2000}, 0) == {}


@pytest.mark.parametrize(("right", "known"), [(0.94, False), (0.96, True)])
@pytest.mark.parametrize("counts", [(300, 300), (950, 50)])
def test_a_network_knows_the_data_by_its_training_images_as_many_of_each_class(right: float, known: bool, counts: tuple[int, int]):
    """It is right on all images of the one class, and on such a share of the other's that of both the given share is right."""
    labels = torch.arange(2).repeat_interleave(torch.tensor(counts))
    images = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
    place = (torch.arange(len(labels)) - counts[0]) * 100 / counts[1]  # in the other class, in percent of it
    images[:, 0, 0, 0] = torch.where((labels == 1) & (place >= 200 * right - 100), 1 - labels, labels) * 255
    data = Dataset("two", ["a", "b"], [0.0], [1.0], images, labels, images, labels)

    def network(inputs: Tensor) -> Tensor:
        return torch.stack([1 - inputs[:, 0, 0, 0], inputs[:, 0, 0, 0]], 1)

    found = [knows(network, data, class_index(labels, 2), torch.Generator().manual_seed(seed)) for seed in range(20)]  # type: ignore[arg-type]
    assert sum(found) >= 12 if known else sum(found) <= 8


@pytest.mark.parametrize(("after", "expected"), [(1, 6), (3, 18), (10**9, 0)])
def test_a_network_is_asked_after_each_training_until_it_has_seen_a_quarter_of_the_oldests_images(after: int, expected: int, monkeypatch):
    """Of 20 trainings, 5; nothing is asked of an untrained one."""
    asked: list[int] = []
    monkeypatch.setattr(ages, "knows", lambda *_: asked.append(0) or len(asked) >= after)
    config = tiny_config(method="idc", networks="cached", cache_ages=6, cache_spacing=4, net_images=6, compile="never")
    assert first_known(config["distill"], dataset()) == expected
    assert len(asked) == min(after, 5) and LOOKED == 1 / 4


@pytest.mark.parametrize(
    ("method", "asked", "trial"),
    [
        *(("idc", {}, True), ("udd", {"policy": "vote"}, True), ("idc", {"cache_spacing": 2}, False), ("idc", {"networks": "fresh"}, False)),
        *(("dm", {}, False), ("udd-features", {}, False), ("random", {}, False)),
    ],
)
def test_the_short_schedule_of_methods_of_gradients_goes_by_the_data(method: str, asked: dict, trial: bool, monkeypatch, capsys):
    monkeypatch.setattr(schedules, "first_known", lambda distill, data: 4000 if trial else pytest.fail("no trial was needed"))
    keys = udd.short(dataset(side=16), method, 1, device="cpu", **asked)
    younger = {"cache_spacing": 1, "net_images": 4000 // 39}
    assert keys == schedules.planned(method, 1, asked) | (younger if trial else {})
    assert ("4,000 images teach one 95 % of the training images" in capsys.readouterr().err) == trial


@pytest.mark.parametrize(("asked", "images"), [({}, 256), ({"net_images": 99}, 99)])
def test_fresh_networks_train_for_less_between_two_steps(asked: dict, images: int):
    keys = schedules.planned("udd", 1, asked | {"networks": "fresh"})
    assert keys["net_images"] == images and "image_lr" in keys


def test_the_short_schedule_is_as_planned_where_no_network_knows_the_data(monkeypatch, capsys):
    monkeypatch.setattr(schedules, "first_known", lambda distill, data: 0)
    keys = udd.short(dataset(side=16), "idc", 1, device="cpu")
    assert keys == schedules.planned("idc", 1, {}) and keys.items() >= schedule("idc").items()
    assert "cached networks: the oldest sees 78,000" in capsys.readouterr().err


@pytest.mark.parametrize(("method", "keys", "problem"), [("ncfn", {}, "did you mean 'ncfm'"), ("idc", {"outre": 3}, "did you mean 'outer'")])
def test_what_the_short_schedule_does_not_know_is_refused_before_a_trial(method: str, keys: dict, problem: str, monkeypatch):
    monkeypatch.delattr(schedules, "first_known")
    with pytest.raises(UserError, match=problem):
        udd.short(dataset(), method, 1, **keys)


def test_the_command_keeps_what_the_trial_found(tmp_path: Path, monkeypatch, capsys):
    """A run that was cut goes on with it: another trial, on other threads, might find other ages."""
    found = iter([8, 10**9])
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: dataset(side=16), raising=False)
    monkeypatch.setattr(schedules, "first_known", lambda distill, data: next(found))
    words = ["digits", "--method", "idc", "--networks", "0", "--device", "cpu", "--out", str(tmp_path / "a.safetensors"), "--set"]
    words += [*(f"{key}={value}" for key, value in TINY.items()), "outer=1", "inner=1", "cache_networks=1"]
    for again in (False, True):
        own.run(words)
        said = capsys.readouterr().err
        distill = udd.load(tmp_path / "a.safetensors").metadata["config"]["distill"]
        assert distill["net_images"] == 1 and distill["cache_spacing"] == 1
        assert ("found before; delete it for a new trial" in said) == again and ("the same schedule without a trial: --set width=4" in said) != again
