"""Calls from Python: side by side in one folder, inside what a caller told torch, on images that nothing mirrors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import SMALL, dataset

import udd
from udd import accuracy, compare, judge
from udd.accuracy import as_distilled, recipe_of
from udd.errors import Busy, Stopped
from udd.files import lock, passing_lock
from udd.interface import configuration, made_of
from udd.runs import completing

QUICK: dict[str, Any] = {"epochs": 1, "width": 4, "checkups": 1, "device": "cpu"}
KEYS: dict[str, Any] = SMALL | {"device": "cpu"}


def cut(monkeypatch: pytest.MonkeyPatch, **keys: Any) -> None:
    """A call that ends after its first step."""
    rung = type("Rung", (completing.Alarm,), {"reason": lambda _: "SIGTERM"})
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(completing, "Alarm", rung)
        udd.distill(dataset(), "idc", **KEYS | keys)


def test_calls_with_other_keys_leave_each_others_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    cut(monkeypatch, image_lr=0.01)
    (kept,) = tmp_path.glob(".tiny-idc-ipc1-seed0-*.checkpoint")
    before = kept.read_bytes()
    cut(monkeypatch, image_lr=0.02)
    assert len(list(tmp_path.glob("*.checkpoint"))) == 2 and kept.read_bytes() == before
    other = udd.distill(dataset(), "idc", **KEYS | {"image_lr": 0.02})
    assert kept.read_bytes() == before and not list(tmp_path.glob("*.lock"))
    whole = udd.distill(dataset(), "idc", **KEYS | {"image_lr": 0.01, "checkpoint": "elsewhere"})
    gone_on = udd.distill(dataset(), "idc", **KEYS | {"image_lr": 0.01})
    assert torch.equal(gone_on.images, whole.images) and not torch.equal(gone_on.images, other.images)
    assert not list(tmp_path.glob("*.checkpoint"))


def test_the_same_call_twice_at_once_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with lock("run.ckpt"), pytest.raises(Busy, match="run.ckpt: another run is writing this output"):
        udd.distill(dataset(), "idc", checkpoint="run.ckpt", **KEYS)


def test_a_passing_lock_leaves_nothing_and_takes_no_other_runs_away(tmp_path: Path):
    with passing_lock(tmp_path / "a"):
        with pytest.raises(Busy), passing_lock(tmp_path / "a"):
            pass
        assert (tmp_path / "a.lock").exists()
    assert not list(tmp_path.iterdir())


@contextmanager
def double() -> Any:
    """Tensors of 64 bits by default."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": double,
    "device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
@pytest.mark.parametrize("networks", ["fresh", "cached"])
def test_what_a_caller_told_torch_changes_no_bit(
    name: str, networks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    arrays = [getattr(dataset(), part).numpy() for part in ("train_images", "train_labels")] * 2
    keys = KEYS | {"networks": networks}

    def made(cache: str) -> tuple[udd.data.Dataset, torch.Tensor, list[float]]:
        data = udd.dataset(arrays)
        found = udd.distill(data, "udd", **keys, cache=cache)
        return data, found.images, udd.evaluate(found, data, 1, **QUICK).values

    _, plain, accuracy = made("here")
    with SURROUNDINGS[name]():
        dtype = torch.get_default_dtype()
        data, images, values = made("there")
        assert torch.get_default_dtype() == dtype and images.device.type == "cpu"
    assert torch.equal(images, plain) and values == accuracy
    assert torch.equal(udd.distill(data, "udd", **keys, cache="here").images, plain)  # and outside, on these data


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_nor_a_schedule(name: str, monkeypatch: pytest.MonkeyPatch):
    """For which a network is trained on trial; a trial's minutes differ, but its ways are those of a distillation."""
    data, keys = dataset(side=16), {"cache_ages": 9, "width": 4, "device": "cpu"}
    plain = udd.short(data, "idc", 1, **keys)
    with SURROUNDINGS[name]():
        assert udd.short(data, "idc", 1, **keys) == plain
        assert udd.budget(data, "dm", 1, 1.0, width=4, device="cpu")["outer"] >= 1


def test_a_set_made_without_mirroring_is_evaluated_so(tmp_path: Path):
    data = dataset()
    for flip in (True, False):
        udd.distill(data._replace(flip=flip), "random", 1, device="cpu", out=tmp_path / "set.safetensors")
        read = udd.load(tmp_path / "set.safetensors")
        assert read.metadata.get("flip", True) is flip
        recipe = recipe_of(read, as_distilled(data, read), {})
        assert ("flip" in recipe["augment"]) is flip
        assert "flip" not in recipe_of(read, as_distilled(data._replace(flip=False), read), {})["augment"]


def spied(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The augmentations of the evaluations to come."""
    found: list[list[str]] = []
    real = accuracy.result

    def told(config: dict[str, Any], *rest: Any) -> dict[str, Any]:
        found.append(config["evaluate"]["augment"])
        return real(config, *rest)

    monkeypatch.setattr(accuracy, "result", told)
    return found


def test_two_sets_are_compared_by_one_augmentation(monkeypatch: pytest.MonkeyPatch):
    data = dataset()
    sets = [udd.distill(data._replace(flip=flip), "random", 1, device="cpu") for flip in (True, False)]
    found, by = spied(monkeypatch), judge.Protocol(1, "convnet3", 1, 4, "cpu", 0)
    compare.values_of(by, data, {Path(str(number)): made for number, made in enumerate(sets)})
    assert len(found) == 2 and found[0] == found[1] and "flip" not in found[0]


def test_an_augmentation_that_is_given_is_taken(monkeypatch: pytest.MonkeyPatch):
    data, found = dataset(), spied(monkeypatch)
    made = udd.distill(data._replace(flip=False), "random", 1, device="cpu")
    udd.evaluate(made, data, 1, augment=["flip"], **QUICK)
    assert found == [["flip"]]


def test_a_set_made_with_mirroring_is_none_without(tmp_path: Path):
    data = dataset()
    digests = {
        made_of(configuration(each, "random", 1, 0, {})[1], each, "") for each in (data, data._replace(flip=False))
    }
    assert len(digests) == 2


def test_arrays_that_change_later_do_not_change_the_data_set():
    images = np.random.default_rng(0).integers(0, 255, (9, 3, 8, 8), dtype=np.uint8)
    labels = np.arange(9) % 3
    data = udd.dataset((images, labels, images, labels))
    kept = data.train_images.clone(), data.train_labels.clone()
    images[:], labels[:] = 0, 0
    assert torch.equal(data.train_images, kept[0]) and torch.equal(data.train_labels, kept[1])
    assert torch.equal(data.test_images, kept[0])
