"""Others' files, and tensors, as sets from Python; ours in others' formats; sets that were put together by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import dataset

import udd
from udd import importing
from udd.errors import UserError
from udd.synthetic.regions import grid_boxes
from udd.synthetic.sets import SyntheticSet

DATA = dataset()
SHAPE = DATA.train_images.shape[1:]
CLASSES = len(DATA.classes)
QUICK: dict[str, Any] = {"epochs": 1, "width": 4, "device": "cpu", "checkups": 1}


def pixels(count: int = CLASSES) -> torch.Tensor:
    """Real images of the data set, floats."""
    return DATA.train_images[:count].float() / 255


def test_tensors_are_a_set_like_any_other(tmp_path: Path):
    made = udd.as_set(pixels(), torch.arange(CLASSES), DATA, name="mine", rate=0.5)
    assert torch.equal(made.images, pixels()) and made.metadata["rate"] == 0.5
    assert (made.metadata["config"]["variant"], made.metadata["config"]["ipc"]) == ("mine", 1)
    assert len(udd.evaluate(made, DATA, 2, **QUICK).values) == 2
    made.save(tmp_path / "mine.safetensors")
    assert torch.equal(udd.load(tmp_path / "mine.safetensors").images, made.images)


def test_a_set_is_a_copy_under_its_whole_name():
    images, labels = torch.nn.Parameter(pixels()), torch.arange(CLASSES)
    made = udd.as_set(images, labels, DATA, name="lr0.05")
    with torch.no_grad():
        images.zero_()
        labels.zero_()
    assert torch.equal(made.images, pixels()) and made.labels.tolist() == list(range(CLASSES))
    assert made.metadata["config"]["variant"] == "lr0.05" and not made.images.requires_grad


def test_bytes_grids_and_soft_labels_are_taken():
    labels = torch.eye(CLASSES) * 0.8 + 0.2 / CLASSES
    made = udd.as_set(DATA.train_images[:CLASSES], labels, DATA, factor=2)
    torch.testing.assert_close(made.images, pixels())
    torch.testing.assert_close(made.labels, labels)
    assert torch.equal(made.windows, grid_boxes(SHAPE[-1], 2)) and not made.metadata["whole"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": np.zeros((1, *SHAPE))}, "mine: images are ndarray, expected a tensor"),
        ({"images": torch.rand(CLASSES, 1, 3, 3)}, "mine: images are \\[1, 3, 3\\]"),
        ({"labels": torch.tensor([0.0, torch.inf, 2.0])}, "mine: labels are .*, some of which are no finite"),
        ({"labels": torch.arange(CLASSES).to(torch.complex64)}, "mine: labels are .*, some of which are no finite"),
        ({"labels": torch.arange(CLASSES - 1)}, "mine: found .* labels for"),
        ({"labels": [0, 1, 2]}, r"mine: labels are list, expected a tensor \[n\] or"),
        ({"name": 3}, "name: found 3, expected text"),
        ({"images": 9 * torch.rand(CLASSES, *SHAPE)}, "mine: pixels run from"),
        ({"data": "cifar10"}, "data: found 'cifar10', expected a data set"),
        ({"factor": 0}, "factor: found 0"),
        ({"factor": 99}, "^factor: found 99"),
        ({"rate": -1}, "rate: found -1, expected a number above 0"),
    ],
)
def test_what_is_no_set_is_refused(change: dict[str, Any], said: str):
    given = {"images": pixels(), "labels": torch.arange(CLASSES), "data": DATA, "name": "mine"}
    with pytest.raises(UserError, match=said):
        udd.as_set(**given | change)


def test_python_and_the_command_read_and_write_alike(tmp_path: Path):
    made = udd.as_set(pixels(), torch.arange(CLASSES), DATA)
    by = ([0.25] * SHAPE[0], [0.5] * SHAPE[0])
    assert udd.export(made, tmp_path / "images_best.pt", "mtt", by) == CLASSES
    found = udd.read(tmp_path / "images_best.pt", "mtt", DATA, normalised=by)
    torch.testing.assert_close(found.images, made.images)
    np.savez(
        tmp_path / "tiny.npz",
        **{name: getattr(DATA, name).movedim(1, -1).numpy() for name in ("train_images", "test_images")},
        **{name: getattr(DATA, name).numpy() for name in ("train_labels", "test_labels")},
    )
    words = ["--as", "mtt", "--normalised", *(",".join(map(str, each)) for each in by)]
    importing.run([str(tmp_path / "images_best.pt"), *words, "--dataset", str(tmp_path / "tiny.npz")])
    again = udd.load(tmp_path / "images_best.safetensors")
    assert torch.equal(again.images, found.images) and torch.equal(again.labels, found.labels)
    assert again.metadata["provenance"] == found.metadata["provenance"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda made: udd.read("absent.pt", "idc", DATA), "absent.pt: no such file or folder"),
        (lambda made: udd.read("absent.pt", "pickle", DATA), "format: found 'pickle', expected one of idc, dc, mtt"),
        (lambda made: udd.read(7, "idc", DATA), "path: found a value of type int"),  # type: ignore[arg-type]
        (lambda made: udd.export(made, "a.npz", "zip"), "format: found 'zip'"),
        (lambda made: udd.export(made, "a.npz", ["idc"]), "format: found \\['idc'\\]"),
        (lambda made: udd.export(made, None, "npz"), "path: found None, expected a path"),
        (lambda made: udd.read("", "npz", DATA), "path: found '', expected a path"),
        (lambda made: udd.read("a.npz", "npz", DATA, zca=7), "zca: found a value of type int"),
        (lambda made: udd.read("a.npz", "npz", DATA, factor=-3), "factor: found -3, expected a whole number"),
        (lambda made: udd.read("a.npz", "npz", DATA, factor=True), "factor: found True"),
        (lambda made: udd.read("a.npz", "npz", DATA, normalised=""), "normalised: found '', expected 'dc'"),
        (lambda made: udd.read("a.npz", "npz", DATA, normalised="12"), "normalised: found '12', expected 'dc'"),
        (lambda made: udd.read("a.npz", "npz", DATA, normalised="zca"), "normalised: found 'zca', expected 'dc'"),
        (lambda made: udd.export(made, "a.safetensors", "npz"), "how our own sets are called"),
        (lambda made: udd.export("made", "a.npz", "npz"), "made: found 'made', expected a synthetic set"),
        (lambda made: udd.export(made, "a.npz", "kip", normalised=3), "normalised: found 3, expected 'dc'"),
        (lambda made: udd.export(made, "a.npz", "kip", ([0.5] * 7, [0.5])), "^normalised: expected"),
    ],
)
def test_wrong_arguments_are_one_line(call: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        call(udd.as_set(pixels(), torch.arange(CLASSES), DATA))
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


WHOLE = torch.zeros(0, 4, dtype=torch.int64)
ABOUT = {"dataset": DATA.name, "classes": list(DATA.classes), "whole": True}


@pytest.mark.parametrize(
    ("labels", "about", "said"),
    [
        (torch.arange(CLASSES), {}, "its metadata has no dataset"),
        (torch.arange(CLASSES), ABOUT | {"config": {}}, "its metadata's config has no variant"),
        (torch.arange(CLASSES), ABOUT | {"config": None}, "its metadata's config has no variant"),
        (list(range(CLASSES)), ABOUT | {"config": {}}, "images, labels and windows are tensors"),
        (torch.arange(CLASSES) + 1, ABOUT | {"config": {}}, "labels run from 1"),
    ],
)
def test_a_set_put_together_by_hand_is_whole(labels: Any, about: dict[str, Any], said: str, tmp_path: Path):
    made = SyntheticSet(pixels(), labels, WHOLE, about)
    for call in (lambda: udd.evaluate(made, DATA, 1, **QUICK), lambda: udd.export(made, tmp_path / "a.npz", "npz")):
        with pytest.raises(UserError, match=f"made: {said}.*; udd.as_set\\(images, labels, data\\) makes a set"):
            call()


def test_a_set_without_the_channels_statistics_is_not_exported(tmp_path: Path):
    made = udd.as_set(pixels(), torch.arange(CLASSES), DATA)
    about = {key: value for key, value in made.metadata.items() if key != "mean"}
    with pytest.raises(UserError, match="metadata has no mean of the data set's channels"):
        udd.export(made._replace(metadata=about), tmp_path / "a.npz", "npz")


def test_pixels_that_were_taken_anyway_are_evaluated_as_they_are(tmp_path: Path):
    made = udd.as_set(9 * pixels(), torch.arange(CLASSES), DATA, anyway=True)
    made.save(tmp_path / "wild.safetensors")
    assert len(udd.evaluate(udd.load(tmp_path / "wild.safetensors"), DATA, 1, **QUICK).values) == 1
    tame = udd.as_set(pixels(), torch.arange(CLASSES), DATA)
    with pytest.raises(UserError, match="pixels run from .* expected 0 to 1; divide bytes by 255"):
        udd.evaluate(tame._replace(images=9 * tame.images), DATA, 1, **QUICK)
