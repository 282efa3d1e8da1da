"""What is said of sets in other people's files: how they are read back, what they lack, by which numbers they are
normalised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign import RGB, a_set

import udd
from udd import exporting, importing
from udd.errors import UserError
from udd.synthetic.formats import exported, imported
from udd.synthetic.formats.content import Wanted

WHOLE = torch.zeros(0, 4, dtype=torch.int64)
OWN = RGB._replace(dataset="odd", mean=[0.5, 0.25, 0.125], std=[0.25, 0.5, 0.0625])


@pytest.mark.parametrize("name", ["frepo", "kip"])
def test_an_archive_is_read_back_by_what_was_said(name: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    made, path = a_set(RGB, torch.arange(3), WHOLE, True, 0), tmp_path / "set.npz"
    exported(made, path, name, RGB)
    assert "set.npz: pixels are not normalised" in (said := capsys.readouterr().err) and "--normalised none" in said
    with pytest.raises(UserError, match="give --normalised none"):
        imported(path, name, RGB)
    none = RGB._replace(normalised=([0.0] * 3, [1.0] * 3))
    assert torch.equal(imported(path, name, none, anyway=True).images, made.images)


@pytest.mark.parametrize(("name", "file"), [("dc", "res.pt"), ("mtt", "images_best.pt"), ("ddranking", "images.pt")])
def test_of_ones_own_data_the_option_is_said_whole(name: str, file: str, tmp_path: Path):
    made = a_set(RGB, torch.arange(3), WHOLE, True, 0)
    with pytest.raises(UserError, match="for odd; give them: --normalised 0.5,0.25,0.125 0.25,0.5,0.0625$"):
        exported(made, tmp_path / file, name, OWN)


def test_classes_without_images_are_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    want: Wanted = RGB._replace(classes=[f"kind {label}" for label in range(9)])
    images = np.random.default_rng(0).integers(0, 256, (2, *RGB.shape)).astype(np.uint8)
    np.savez(tmp_path / "set.npz", train_images=np.moveaxis(images, 1, -1), train_labels=np.array([1, 3]))
    imported(tmp_path / "set.npz", "npz", want, anyway=True)
    said = "no image of class kind 0, kind 2, kind 4, kind 5, kind 6 and 2 more"
    assert said in capsys.readouterr().err


def test_a_folder_of_a_class_that_is_a_number_is_asked_for_once(tmp_path: Path):
    with pytest.raises(UserError, match="no folder 0; expected one for each of the 2 classes"):
        imported(tmp_path, "folder", RGB._replace(classes=["0", "1"]))


@pytest.mark.parametrize("rate", [torch.tensor(2), torch.tensor([0.5]), torch.tensor(0.25), 0.125])
def test_a_learned_rate_is_one_number_of_any_type(rate: torch.Tensor | float, tmp_path: Path):
    path = tmp_path / "images_best.pt"
    exported(a_set(RGB, torch.arange(3), WHOLE, True, rate=0.5), path, "mtt", RGB)
    torch.save(rate, tmp_path / "lr_best.pt")
    assert imported(path, "mtt", RGB).metadata["rate"] == float(rate)


@pytest.mark.parametrize("rate", [torch.tensor([1.0, 2.0]), torch.tensor(0.0), torch.tensor(torch.nan), -1.0, [0.5]])
def test_what_is_no_rate_is_one_line(rate: object, tmp_path: Path):
    path = tmp_path / "images_best.pt"
    exported(a_set(RGB, torch.arange(3), WHOLE, True, rate=0.5), path, "mtt", RGB)
    torch.save(rate, tmp_path / "lr_best.pt")
    with pytest.raises(UserError, match="lr_best.pt: expected one number above 0, the learned rate"):
        imported(path, "mtt", RGB)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["0", "1", "10", "2"], "its label 2 is taken for class '10', as classes are in the order of text"),
        (["1", "10", "2", "9"], "its label 1 is taken for class '10'"),
        (["0", "1", "2", "3"], ""),
        (["1", "2", "3", "10"], ""),
        (["0", "1", "10", "x"], ""),
    ],
)
def test_numbers_in_the_order_of_text_are_told(classes: list[str], said: str, tmp_path: Path, capsys):
    """A file that holds numbers alone may mean the classes by their numbers."""
    want: Wanted = RGB._replace(classes=classes)
    images = np.random.default_rng(0).integers(0, 256, (4, *RGB.shape)).astype(np.uint8)
    np.savez(tmp_path / "set.npz", train_images=np.moveaxis(images, 1, -1), train_labels=np.arange(4))
    imported(tmp_path / "set.npz", "npz", want, anyway=True)
    err = capsys.readouterr().err
    assert said in err if said else "is taken for class" not in err


@pytest.mark.parametrize(("words", "told"), [([], True), (["--factor", "2"], False), (["--factor", "1"], False)])
def test_the_grid_that_a_format_has_by_default_is_told(words: list[str], told: bool, tmp_path: Path, capsys):
    udd.distill(udd.dataset("digits"), "random", 1).save(tmp_path / "a.safetensors")
    exporting.run([str(tmp_path / "a.safetensors"), "--as", "idc", "--out", str(tmp_path / "a.pt")])
    capsys.readouterr()
    out = str(tmp_path / "b.safetensors")
    importing.run([str(tmp_path / "a.pt"), "--as", "idc", "--dataset", "digits", "--out", out, *words])
    assert ("images are taken for 2 x 2 grids, as published; --factor 1 if" in capsys.readouterr().err) is told


def test_an_import_for_images_that_nothing_mirrors_says_so(tmp_path: Path):
    out = str(tmp_path / "b.safetensors")
    udd.distill(udd.dataset("digits"), "random", 1).save(tmp_path / "a.safetensors")
    exporting.run([str(tmp_path / "a.safetensors"), "--as", "npz", "--out", str(tmp_path / "a.npz")])
    importing.run([str(tmp_path / "a.npz"), "--as", "npz", "--dataset", "digits", "--out", out])
    assert udd.load(out).metadata["flip"] is False
