"""How old cached networks may be: the arithmetic, the trial that says when one knows the data, and the short
schedule that goes by it."""

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
from udd.proxies import caching
from udd.proxies.fresh import class_index
from udd.runs import ages
from udd.runs.ages import LOOKED, first_known, knows, oldest, younger

TINY: dict[str, Any] = {"width": 4, "batch_real": 5, "net_batch": 4, "compile": "never"}


@given(st.integers(1, 10**5), st.integers(2, 40), st.integers(1, 9), st.integers(1, 5000), st.integers(1, 300))
def test_the_last_age_comes_before_a_network_knows_the_data(
    known: int, ages: int, spacing: int, images: int, batch: int
):
    distill = {"cache_ages": ages, "cache_spacing": spacing, "net_images": images, "net_batch": batch}
    keys, planned = younger(distill, known), taken(distill)
    assert oldest(distill) == planned
    if known >= planned:
        assert keys == {}
        return
    assert known / 2 - ages < taken(distill | keys) <= known  # no older than that, nor younger than it must be
    assert all(1 <= keys[key] <= distill[key] for key in keys) and (keys["cache_ages"] == ages or known < ages)


def taken(distill: dict[str, int]) -> int:
    """The SGD steps of a network at its last age, counted one by one as it trains."""
    steps = 0
    for _ in range((distill["cache_ages"] - 1) * distill["cache_spacing"]):
        steps += len(range(0, distill["net_images"], distill["net_batch"]))
    return steps


def test_a_network_takes_as_many_steps_to_an_age_as_are_counted(monkeypatch):
    """Seven images by batches of four are two steps."""
    config = tiny_config(
        method="idc", networks="cached", cache_ages=3, cache_spacing=2, net_images=7, net_batch=4, compile="never"
    )
    made, steps = caching.begun(dataset(), config["distill"], 0), []
    made.play = lambda step, *words: steps.append(step)  # type: ignore[assignment]
    for _ in range(config["distill"]["cache_ages"] - 1):
        caching.grown(made, dataset(), config["distill"])
    assert len(steps) == oldest(config["distill"]) == 8


def test_the_ages_of_what_is_never_known_are_as_planned():
    assert younger({"cache_ages": 10, "cache_spacing": 8, "net_images": 2000, "net_batch": 64}, 0) == {}


@pytest.mark.parametrize(("right", "known"), [(0.94, False), (0.96, True)])
@pytest.mark.parametrize("counts", [(300, 300), (950, 50)])
def test_a_network_knows_the_data_by_its_training_images_as_many_of_each_class(
    right: float, known: bool, counts: tuple[int, int]
):
    """It is right on all images of the one class, and on such a share of the other's that of both
    the given share is right."""
    labels = torch.arange(2).repeat_interleave(torch.tensor(counts))
    images = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
    place = (torch.arange(len(labels)) - counts[0]) * 100 / counts[1]  # in the other class, in percent of it
    images[:, 0, 0, 0] = torch.where((labels == 1) & (place >= 200 * right - 100), 1 - labels, labels) * 255
    data = Dataset("two", ["a", "b"], [0.0], [1.0], images, labels, images, labels)

    def network(inputs: Tensor) -> Tensor:
        return torch.stack([1 - inputs[:, 0, 0, 0], inputs[:, 0, 0, 0]], 1)

    found = [knows(network, data, class_index(labels, 2), torch.Generator().manual_seed(seed)) for seed in range(20)]  # type: ignore[arg-type]
    assert sum(found) >= 12 if known else sum(found) <= 8


@pytest.mark.parametrize(("after", "expected"), [(1, 2), (3, 6), (10**9, 0)])
def test_a_network_is_asked_after_each_training_until_it_has_taken_half_of_the_oldests_steps(
    after: int, expected: int, monkeypatch
):
    """Of 20 trainings of two steps, 10; nothing is asked of an untrained one."""
    asked: list[int] = []
    monkeypatch.setattr(ages, "knows", lambda *_: asked.append(0) or len(asked) >= after)
    config = tiny_config(
        method="idc", networks="cached", cache_ages=6, cache_spacing=4, net_images=6, net_batch=4, compile="never"
    )
    assert first_known(config["distill"], dataset()) == expected
    assert len(asked) == min(after, 10) and LOOKED == 1 / 2


@pytest.mark.parametrize(
    ("method", "asked", "trial"),
    [
        *(("idc", {}, True), ("udd", {"policy": "vote"}, True), ("idc", {"cache_ages": 9}, True), ("dream", {}, True)),
        *(
            ("idc", {"cache_spacing": 2}, False),
            ("idc", {"net_images": 9}, False),
            ("idc", {"pretrain_epochs": 1}, False),
        ),
        *(("idc", {"networks": "fresh"}, False), ("dm", {}, False), ("udd-features", {}, False), ("random", {}, False)),
    ],
)
def test_the_short_schedule_of_methods_of_gradients_goes_by_the_data(
    method: str, asked: dict, trial: bool, monkeypatch, capsys
):
    monkeypatch.setattr(
        schedules, "first_known", lambda distill, data: 100 if trial else pytest.fail("no trial was needed")
    )
    keys = udd.short(dataset(side=16), method, 1, device="cpu", **asked)
    trainings = asked.get("cache_ages", 40) - 1
    batch = 128 if method == "dream" else 64
    younger = {"cache_ages": trainings + 1, "cache_spacing": 1, "net_images": 100 // trainings * batch}
    assert keys == schedules.planned(method, 1, asked) | (younger if trial else {})
    said = capsys.readouterr().err
    assert (
        f"of at most {100 // trainings * trainings} SGD steps: one classified 95 % of the training images after 100\n"
        in said
    ) == trial
    assert ("cached networks of at most" in said) == (method in ("idc", "udd", "dream") and "networks" not in asked)


@pytest.mark.parametrize(("asked", "images"), [({}, 256), ({"net_images": 99}, 99)])
def test_fresh_networks_train_for_less_between_two_steps(asked: dict, images: int):
    keys = schedules.planned("udd", 1, asked | {"networks": "fresh"})
    assert keys["net_images"] == images and "image_lr" in keys


def test_the_short_schedule_is_as_planned_where_no_network_knows_the_data(monkeypatch, capsys):
    monkeypatch.setattr(schedules, "first_known", lambda distill, data: 0)
    keys = udd.short(dataset(side=16), "idc", 1, device="cpu")
    assert keys == schedules.planned("idc", 1, {}) and keys.items() >= schedule("idc").items()
    assert (
        "at most 1,248 SGD steps: one did not classify 95 % of the training images after 50% of these\n"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("method", "keys", "problem"),
    [
        *(("ncfn", {}, "did you mean 'ncfm'"), ("idc", {"outre": 3}, "did you mean 'outer'")),
        ("dm", {"image_move": 0.04}, "found image_move: 0.04 for dm and networks: fresh"),
        ("idc", {"image_move": 0.04, "networks": "fresh"}, "found image_move: 0.04 for idc and networks: fresh"),
    ],
)
def test_what_the_short_schedule_does_not_know_is_refused_before_a_trial(
    method: str, keys: dict, problem: str, monkeypatch
):
    monkeypatch.delattr(schedules, "first_known")
    with pytest.raises(UserError, match=problem):
        udd.short(dataset(), method, 1, **keys)


WORDS = [
    "digits",
    "--method",
    "idc",
    "--networks",
    "0",
    "--device",
    "cpu",
    "--set",
    *(f"{key}={value}" for key, value in TINY.items()),
]


def test_the_command_keeps_what_the_trial_found_of_the_same_images(tmp_path: Path, monkeypatch, capsys):
    """A run that was cut goes on with it: another trial, on other threads, might find other ages. Other images
    have a trial of their own."""
    found, sides = iter([2, 10**9]), [16]
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: dataset(side=sides[-1]), raising=False)
    monkeypatch.setattr(schedules, "first_known", lambda distill, data: next(found))
    words = [*WORDS, "outer=1", "inner=1", "cache_networks=1", "cache_ages=3", "--out", str(tmp_path / "a.safetensors")]
    for side, again, images in ((16, False, 4), (16, True, 4), (8, False, 2000)):
        sides.append(side)
        own.run(words)
        said = capsys.readouterr().err
        distill = udd.load(tmp_path / "a.safetensors").metadata["config"]["distill"]
        assert (distill["net_images"], distill["cache_spacing"]) == (images, 1)
        assert ("found before; delete it to choose anew" in said) == again and (
            "the same schedule by hand: --set width=4" in said
        ) != again


def test_a_class_that_is_too_small_is_refused_before_the_trial(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: dataset(), raising=False)
    monkeypatch.delattr(schedules, "first_known")
    with pytest.raises(UserError, match="ipc 99: the smallest class of tiny has"):
        own.run([*WORDS, "--ipc", "99", "--out", str(tmp_path / "a.safetensors")])
    assert not list(tmp_path.iterdir())


def test_a_seed_makes_another_set_beside_the_first(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: dataset(), raising=False)
    monkeypatch.chdir(tmp_path)
    for seed in ("0", "1"):
        own.run(["digits", "--method", "random", "--networks", "0", "--device", "cpu", "--seed", seed])
    first, second = (udd.load(tmp_path / f"tiny-random-ipc1{name}.safetensors") for name in ("", "-seed1"))
    assert second.metadata["config"]["seed"] == 1 and not torch.equal(first.images, second.images)
