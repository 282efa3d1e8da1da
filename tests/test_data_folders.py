"""Folders of images, and ImageNet's: which files count, which classes, grey or colour; one line for whatever is
wrong."""

from __future__ import annotations

from pathlib import Path

import fakes
import numpy as np
import pytest
from prepared import loaded

from udd.data.packing import prepare
from udd.errors import UserError


@pytest.mark.parametrize("suffix", [".png", ".JPG", ".JPEG"])
def test_folder(tmp_path, suffix):
    fakes.write_tree(tmp_path / "pets", suffix=suffix)
    (tmp_path / "pets" / "train" / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "pets" / "train" / ".hidden").mkdir()
    found = loaded(tmp_path, {"name": "pets", "kind": "folder", "size": 6})
    assert found.classes == ["cat", "dog"] and found.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.train_images.shape == (6, 3, 6, 6)


def test_folder_without_size_keeps_the_pixels(tmp_path):
    fakes.write_tree(tmp_path / "pets", size=(8, 8))
    found = loaded(tmp_path, {"name": "pets", "kind": "folder"})
    assert np.array_equal(found.test_images[2].numpy(), np.asarray(fakes.image("RGB", (8, 8), 2)).transpose(2, 0, 1))


@pytest.mark.parametrize("odd, channels", [("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)])
def test_folder_is_grey_only_if_every_image_is(tmp_path, odd, channels):
    base = fakes.write_tree(tmp_path / "pets", mode="L", size=(8, 8))
    fakes.image(odd, (8, 8)).save(base / "test" / "dog" / "2.png")
    assert loaded(tmp_path, {"name": "pets", "kind": "folder", "size": 8}).train_images.shape[1] == channels


def test_folder_classes_choose_and_order(tmp_path):
    fakes.write_tree(tmp_path / "pets", classes=("ant", "cat", "dog"), size=(8, 8))
    found = loaded(tmp_path, {"name": "pets", "kind": "folder", "size": 8, "classes": ["dog", "ant"]})
    assert found.classes == ["dog", "ant"] and len(found.train_images) == 6


def test_imagenet_reads_the_listed_classes_in_colour(tmp_path):
    fakes.write_tree(tmp_path / "imagenet", ("n01", "n02", "n03"), ("train", "val"), mode="L", suffix=".JPEG")
    config = {"name": "imagenet10", "kind": "imagenet10", "path": "imagenet", "size": 12, "classes": ["n03", "n01"]}
    found = loaded(tmp_path, config)
    assert found.train_images.shape == (6, 3, 12, 12) and found.classes == ["n03", "n01"]


def harm_tree(base: Path, harm: str) -> None:
    """Harm a tree of images in one way."""
    image = base / "train" / "dog" / "1.png"
    if harm == "truncated":
        image.write_bytes(image.read_bytes()[:-80])
    elif harm == "text":
        image.write_text("not an image")
    elif harm == "empty":
        image.write_bytes(b"")
    elif harm == "deep":
        fakes.Image.fromarray(np.zeros((8, 8), np.uint16)).save(image)
    elif harm == "class absent from test":
        (base / "test" / "dog").rename(base / "gone")
    elif harm == "class absent from train":
        (base / "train" / "dog").rename(base / "gone")
    elif harm == "class without images":
        for path in (base / "test" / "dog").iterdir():
            path.unlink()
    elif harm == "no test":
        (base / "test").rename(base / "gone")


@pytest.mark.parametrize(
    "harm, message",
    [
        ("truncated", "train/dog/1.png: the image does not decode"),
        ("text", "train/dog/1.png: not an image"),
        ("empty", "train/dog/1.png: not an image"),
        ("deep", "train/dog/1.png: more than 8 bits"),
        ("class absent from test", "test/dog: no such folder"),
        ("class absent from train", "train/dog: no such folder"),
        ("class without images", "test/dog: no image that Pillow reads; class dog"),
        ("no test", "pets: no test images with classes"),
    ],
)
def test_bad_folder(tmp_path, harm, message):
    harm_tree(fakes.write_tree(tmp_path / "pets"), harm)
    with pytest.raises(UserError, match=message) as error:
        prepare({"name": "pets", "kind": "folder", "size": 6}, tmp_path)
    assert str(error.value).startswith(str(tmp_path)) and "\n" not in str(error.value)
    assert not (tmp_path / "packed").exists()


def test_images_of_several_sizes_need_a_size(tmp_path):
    fakes.write_tree(tmp_path / "pets")
    with pytest.raises(UserError, match="pets: images from .* set the data set's size"):
        prepare({"name": "pets", "kind": "folder"}, tmp_path)
