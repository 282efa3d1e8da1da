"""Data sets that come as arrays: digits, and npz in MedMNIST's layout; one line for whatever is wrong with the file."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared import loaded

from udd.data.arrays import read_digits
from udd.data.packing import prepare
from udd.data.raw import check_labels
from udd.errors import UserError
from udd.sources import of_raw


def test_digits():
    from sklearn.datasets import load_digits

    raw = read_digits({"name": "digits", "kind": "digits", "size": 8}, Path("nowhere"), 1)
    theirs: Any = load_digits()
    ours = np.concatenate([raw.train_images, raw.test_images])[:, 0]
    expected = np.rint(theirs.images * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, ours)) == sorted(map(bytes, expected))
    share = np.bincount(raw.test_labels) / np.bincount(theirs.target)
    assert np.allclose(share, 0.2, atol=0.01)


def test_digits_are_sixteen_pixels_wide_and_need_no_root(tmp_path):
    found = loaded(tmp_path, {"name": "digits", "kind": "digits"})
    assert found.train_images.shape == (1442, 1, 16, 16) and found.test_images.shape == (355, 1, 16, 16)


@pytest.mark.parametrize("shape, channels", [((8, 8), 1), ((8, 8, 1), 1), ((8, 8, 3), 3)])
def test_npz(tmp_path, shape, channels):
    fakes.write_npz(tmp_path / "mine.npz", shape=shape)
    found = loaded(tmp_path, {"name": "mine", "kind": "npz", "classes": ["a", "b", "c"]})
    expected = fakes.noise(12, *shape, seed=12).reshape(12, 8, 8, channels).transpose(0, 3, 1, 2)
    assert np.array_equal(found.train_images.numpy(), expected)
    assert found.train_labels.tolist() == [0, 1, 2] * 4 and found.classes == ["a", "b", "c"]


def test_npz_labels_without_a_second_axis_and_another_size(tmp_path):
    path = tmp_path / "sub" / "x.npz"
    fakes.write_npz(path, shape=(9, 12, 3), train_labels=fakes.labels(12, 3), test_labels=fakes.labels(6, 3))
    found = loaded(tmp_path, {"name": "mine", "kind": "npz", "path": "sub/x.npz", "size": 8})
    assert found.train_images.shape == (12, 3, 8, 8) and found.classes == ["0", "1", "2"]


@pytest.mark.parametrize(
    "replaced, message",
    [
        ({"test_labels": None}, "no test_labels; expected train_images"),
        ({"train_images": fakes.noise(12, 8, 8, 3) / 255.0}, "train_images is float64; expected uint8"),
        ({"train_images": fakes.noise(12, 3, 8, 8)}, r"train_images has shape \(12, 3, 8, 8\)"),
        ({"train_images": fakes.noise(12, 64)}, r"train_images has shape \(12, 64\)"),
        ({"train_images": fakes.noise(12, 8, 9, 3), "test_images": fakes.noise(6, 8, 9, 3)}, "set the data set's size"),
        (
            {"test_images": fakes.noise(6, 8, 8, 1)},
            "training images have 3 and test images have 1 channels; make all of them grey",
        ),
        ({"test_images": fakes.noise(6, 9, 9, 3)}, "not square or not alike"),
        ({"train_labels": fakes.labels(12, 3) - 1}, "train labels run from -1 to 1; expected 0 to 2"),
        ({"train_labels": fakes.labels(12, 3) * 1.0}, "train_labels is float64; expected integers"),
        ({"train_labels": np.zeros((12, 3), int)}, r"train_labels has shape \(12, 3\)"),
        (
            {"train_labels": np.array([0, 1, 2] * 3 + [0, 1, 3_000_000_000])},
            "train_labels has the label 3000000000, but there are 12",
        ),
        (
            {"test_labels": np.array([0, 1, 2, 0, 1, 2**64 - 1], np.uint64)},
            "test_labels has the label 18446744073709551615",
        ),
        (
            {"test_images": np.array([fakes.noise(1, 8, 8, 3), "x"] * 3, dtype=object)},
            "test_images holds Python objects.* save images as one",
        ),
        ({"test_labels": np.array(["a", "b", "c"] * 2)}, "test_labels is <U1; expected integers"),
        (
            {"train_images": fakes.noise(12, 8, 8, 3).astype(np.uint16)},
            "train_images is uint16; expected uint8.*`depth: 16`",
        ),
        ({"train_labels": fakes.labels(11, 3)}, "12 images and labels of shape"),
        ({"test_labels": np.array([0, 1, 3] * 2)}, "train has no image of class 3"),
        ({"test_labels": np.array([0, 1] * 3)}, "test has no image of class 2"),
        ({"test_labels": np.array([{}] * 6, dtype=object)}, "test_labels holds Python objects, which are never read"),
        ({"test_images": np.zeros((0, 8, 8, 3), np.uint8), "test_labels": np.zeros(0, int)}, "expected"),
        ({"train_images": np.zeros((12, 8, 8, 3), np.uint8)}, "cannot be normalised"),
    ],
)
def test_bad_npz(tmp_path, replaced, message):
    path = fakes.write_npz(tmp_path / "mine.npz", **replaced)
    with pytest.raises(UserError, match=message) as error:
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_npz_with_more_labels_than_names(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    with pytest.raises(UserError, match="mine.npz: train labels run from 0 to 2; expected 0 to 1"):
        prepare({"name": "mine", "kind": "npz", "classes": ["a", "b"]}, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x93NUMPY", b"PK\x03\x04" + b"x" * 30])
def test_npz_that_is_none(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(UserError, match="mine.npz: corrupt, truncated or not an npz"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)


def test_what_is_no_npz_is_no_reason_to_allow_pickles(tmp_path):
    (tmp_path / "mine.npz").write_bytes(pickle.dumps(["images"]))
    with pytest.raises(UserError) as error:
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
    assert "pickle" not in str(error.value) and "\n" not in str(error.value)


def test_an_entry_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as file:
        file.writestr("train_images.npy", b"not an array")
    with pytest.raises(UserError, match="mine.npz: train_images is no array"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)


@given(st.integers(0, 2**31), st.booleans())
def test_harmed_npz_is_named_or_read_whole(tmp_path_factory, position, truncate):
    path = fakes.write_npz(tmp_path_factory.mktemp("npz") / "mine.npz")
    path.write_bytes(fakes.harmed(path.read_bytes(), position, truncate))
    try:
        prepare({"name": "mine", "kind": "npz"}, path.parent)
    except UserError as error:
        assert "mine.npz" in str(error)


def test_arrays_that_may_not_be_written_make_a_data_set_without_a_warning(recwarn: pytest.WarningsRecorder):
    """As those of MNIST's files are, which come from bytes."""
    raw = read_digits({"name": "digits", "kind": "digits", "size": 8}, Path("nowhere"), 1)
    for array in raw[3:7]:
        array.flags.writeable = False
    data = of_raw(raw, "digits")
    assert not recwarn.list and data.train_images.numpy().tobytes() == raw.train_images.tobytes()
    data.train_images[0] = 0
    assert raw.train_images[0].any()


def test_an_npz_may_name_its_classes(tmp_path):
    path = fakes.write_npz(tmp_path / "mine.npz", classes=3)
    arrays = dict(np.load(path))
    np.savez(path, **arrays, classes=np.array(["ant", "bee", "ćma"]))
    config = {"name": "mine", "kind": "npz"}
    assert prepare(config, tmp_path)["classes"] == loaded(tmp_path, config).classes == ["ant", "bee", "ćma"]
    assert prepare(config | {"classes": ["a", "b", "c"]}, tmp_path)["classes"] == ["a", "b", "c"]
    np.savez(path, **arrays, classes=np.array([name.encode() for name in ["ant", "bee", "ćma"]]))
    assert prepare(config, tmp_path)["classes"] == ["ant", "bee", "ćma"]
    np.savez(path, **arrays, classes=np.array(["ant", "bee"]))
    with pytest.raises(UserError, match="mine.npz: classes has 2 names, the labels 3 classes; name each label once"):
        prepare(config, tmp_path)


@pytest.mark.parametrize("theirs", [np.arange(3), np.array([["a", "b", "c"]]), np.array("a"), np.array([b"\xff"] * 3)])
def test_classes_of_an_npz_that_are_no_words_are_nobodys_names(tmp_path, theirs):
    path = fakes.write_npz(tmp_path / "mine.npz", classes=3)
    np.savez(path, **dict(np.load(path)), classes=theirs)
    assert prepare({"name": "mine", "kind": "npz"}, tmp_path)["classes"] == ["0", "1", "2"]


def test_classes_of_an_npz_that_are_objects_are_refused_unless_they_are_named(tmp_path):
    path, config = fakes.write_npz(tmp_path / "mine.npz", classes=3), {"name": "mine", "kind": "npz"}
    np.savez(path, **dict(np.load(path)), classes=np.array(["ant", "bee", "cat"], dtype=object))
    with pytest.raises(UserError, match=r"classes holds Python objects.*as text: np.array\(names, dtype=str\)"):
        prepare(config, tmp_path)
    assert prepare(config | {"classes": ["a", "b", "c"]}, tmp_path)["classes"] == ["a", "b", "c"]


def test_of_many_missing_classes_their_number_is_told():
    with pytest.raises(UserError, match="has no image of class 1, 2, 3, 4, 5 and 4 more; every class"):
        check_labels("x", [str(label) for label in range(10)], 1, np.zeros(1, np.int64))
    with pytest.raises(UserError, match="has no image of class 1, 2, 3, 4, 5; every class"):
        check_labels("x", [str(label) for label in range(6)], 1, np.zeros(1, np.int64))


def test_labels_that_begin_at_1_are_told(tmp_path):
    path = fakes.write_npz(tmp_path / "mine.npz", classes=3)
    arrays = dict(np.load(path))
    ones = {key: value + 1 if key.endswith("labels") else value for key, value in arrays.items()}
    np.savez(path, **ones)
    with pytest.raises(UserError, match="mine.npz: labels begin at 1, expected 0 to C-1; take 1 from each, in both"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
    np.savez(path, **arrays | {"test_labels": np.maximum(arrays["test_labels"], 1)})
    with pytest.raises(UserError, match="test has no image of class 0; every class needs training and test images$"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
