"""Folders and parquet files of classes: none is left out, none is there twice, names stand for numbers in order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foreign import CLASSES, LABELS, RGB, a_set

from udd.errors import UserError
from udd.synthetic.formats import exported, imported

WHOLE = torch.zeros(0, 4, dtype=torch.int64)
NUMBERED = RGB._replace(dataset="data", classes=["0", "1", "2"])


@pytest.mark.parametrize("name", ["folder", "ddranking"])
@pytest.mark.parametrize("other", ["whale", "2", "00002"])
def test_a_folder_of_no_class_is_refused(name: str, other: str, tmp_path: Path):
    """CIFAR-10's numbers are among those of CIFAR-100, and a class may be there by two numbers."""
    exported(a_set(RGB, LABELS, WHOLE, True), path := tmp_path / "images", name, RGB)
    (path / other).mkdir()
    with pytest.raises(
        UserError, match=f"folders 0*{other.lstrip('0')} beside those of the 3 classes of cifar10; move them, or"
    ):
        imported(path, name, RGB)


def test_hidden_folders_and_notes_stand_beside_classes(tmp_path: Path):
    exported(a_set(RGB, LABELS, WHOLE, True), path := tmp_path / "images", "folder", RGB)
    (path / ".thumbnails").mkdir()
    (path / "README.txt").write_text("by hand")
    assert imported(path, "folder", RGB).labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["folder", "ddranking", "parquet"])
def test_a_set_without_a_class_comes_back(name: str, tmp_path: Path, capsys):
    made = a_set(RGB, torch.tensor([0, 2, 2]), WHOLE, True)
    exported(made, path := tmp_path / ("a.parquet" if name == "parquet" else "images"), name, RGB)
    assert imported(path, name, RGB).labels.tolist() == [0, 2, 2]
    assert f"no image of class {CLASSES[1]}" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "order"), [("folder", sorted(CLASSES)), ("parquet", CLASSES)])
def test_where_data_have_no_names_they_are_taken_in_order(name: str, order: list[str], tmp_path: Path, capsys):
    """Of folders in the alphabet's, as torchvision's ImageFolder; of parquet in the file's own."""
    exported(a_set(RGB, LABELS, WHOLE, True), path := tmp_path / ("a.parquet" if name == "parquet" else "b"), name, RGB)
    capsys.readouterr()
    found, own = imported(path, name, NUMBERED), imported(path, name, RGB)
    names = [order[label] for label in found.labels]
    for label, image in zip(names, found.images, strict=True):
        assert torch.equal(image, own.images[CLASSES.index(label)])
    said = ", ".join(f"{each} is {label}" for label, each in enumerate(order))
    assert f"data has no names of classes; they are taken in order: {said}, ..." in capsys.readouterr().err


def test_numbers_that_mean_another_order_are_told(tmp_path: Path, capsys):
    want = RGB._replace(classes=["1", "10", "2"])  # as folders sort as text
    for label in range(3):
        (tmp_path / "images" / f"{label:02d}").mkdir(parents=True)
    exported(a_set(RGB, LABELS, WHOLE, True), tmp_path / "other", "folder", RGB)
    for label, name in enumerate(CLASSES):
        next((tmp_path / "other" / name).iterdir()).rename(tmp_path / "images" / f"{label:02d}" / "0.png")
    imported(tmp_path / "images", "folder", want)
    assert "its label 1 is taken for class '10', as classes are in the order of text" in capsys.readouterr().err


def test_other_names_than_the_datas_are_refused(tmp_path: Path):
    exported(a_set(RGB, LABELS, WHOLE, True), path := tmp_path / "images", "folder", RGB)
    with pytest.raises(UserError, match="no folder bee or 1; expected one for each of the 3 classes"):
        imported(path, "folder", RGB._replace(classes=["ant", "bee", "cat"]))
    with pytest.raises(UserError, match="no folder 0; expected one for each of the 4 classes"):
        imported(path, "folder", RGB._replace(classes=["0", "1", "2", "3"]))
