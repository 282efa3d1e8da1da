"""Data sets that come as arrays: `npz` files in MedMNIST's layout, and scikit-learn's `digits`."""

from __future__ import annotations

import gzip
import io
import zipfile
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from udd.data.images import fit_all, scaled
from udd.data.raw import Raw, entry, named
from udd.errors import UserError

DIGITS_SIZE = 16
TEST_EVERY = 5  # one digit of five is a test image


def read_npz(config: dict[str, Any], root: Path, _threads: int) -> Raw:
    """Read an `npz` data set: images uint8 [n, H, W] or [n, H, W, K], K = 1 or 3; labels integer [n] or [n, 1].

    Classes are called as the configuration says, else as the file's `classes` (words [C]) does, else by their numbers.
    What `udd split` notes of its source (`like`, a word; `flip`, a truth value) becomes notes. Other keys, such as
    val_images, are ignored. Raises UserError, naming the file, for a
    corrupt file and for arrays that are missing, of another type or of another shape.
    """
    path = root / (config.get("path") or f"{config['name']}.npz")
    if not path.is_file():
        raise UserError(f"{path}: no such file; put the arrays there or mend the data set's path")
    data = path.read_bytes()
    arrays, names, notes = load_arrays(path, data)
    train_labels, test_labels = (labels_of(path, part, arrays) for part in ("train", "test"))
    classes = config.get("classes") or called(path, names, int(max(train_labels.max(), test_labels.max())) + 1)
    dtype = np.uint16 if "depth" in config else np.uint8
    notes |= {"range": value_range(path, arrays)} if "depth" in config else {}
    train_images, test_images = (
        fit_all(eight_bits(images_of(path, part, arrays, dtype), notes), config.get("size"))
        for part in ("train", "test")
    )
    files = [entry(path.name, data)]
    return Raw(path, list(classes), files, train_images, train_labels, test_images, test_labels, notes)


def load_arrays(path: Path, data: bytes) -> tuple[dict[str, np.ndarray], list[str] | None, dict[str, Any]]:
    """The four arrays of an npz file, its classes' names (`names_in`) and its notes, if it has any. Pickled
    objects are refused: a data file must not run code."""
    keys = [f"{part}_{what}" for part in ("train", "test") for what in ("images", "labels")]
    if not zipfile.is_zipfile(io.BytesIO(data)):  # NumPy would take it for a pickle, and advise to load that
        raise UserError(f"{path}: corrupt, truncated or not an npz file (not a zip archive of arrays); get it again")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            found = {key: array(path, file, key) for key in keys if key in file}
            names, notes = names_in(file), notes_in(file)
    except UserError:
        raise
    except (
        Exception
    ) as error:  # the parsers of zip and npy raise a dozen kinds on foreign bytes, and all mean the same here
        raise UserError(f"{path}: corrupt, truncated or not an npz file ({error}); get it again") from None
    if len(found) < len(keys):
        raise UserError(f"{path}: no {' and no '.join(sorted(set(keys) - set(found)))}; expected {', '.join(keys)}")
    return found, names, notes


def names_in(file: Any) -> list[str] | None:
    """The classes' names in an npz file, text or UTF-8: an empty list where its `classes` is no list of words, which is
    somebody else's; None where it holds objects."""
    if holds_objects(file, "classes"):
        return None
    with suppress(UnicodeDecodeError):
        return beside(file, "classes", "U", 1) or [each.decode() for each in beside(file, "classes", "S", 1) or []]
    return []


def notes_in(file: Any) -> dict[str, Any]:
    """What `udd split` notes of a file's source: `like`, a word, and `flip`, a truth value; anything else of that name
    is somebody else's."""
    found = {"like": beside(file, "like", "U", 0), "flip": beside(file, "flip", "b", 0)}
    return {key: value for key, value in found.items() if value is not None}


def beside(file: Any, key: str, letter: str, dimensions: int) -> Any:
    """An array of an npz file as plain values, where it is of this kind (NumPy's letter) and of so many dimensions."""
    found = None if holds_objects(file, key) else file.get(key)
    if not isinstance(found, np.ndarray) or found.dtype.kind != letter or found.ndim != dimensions:
        return None
    return found.tolist()


def holds_objects(file: Any, key: str) -> bool:
    """Whether an array of an npz file holds Python objects, which are never read."""
    try:
        file.get(key)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        return True
    return False


def called(path: Path, names: list[str] | None, count: int) -> list[str]:
    """The names of `count` classes: those of the file, else their numbers. Raises UserError if it has more or fewer, or
    if they cannot be read (None)."""
    if names is None:
        raise UserError(
            f"{path}: classes holds Python objects, which are never read (they may run code); save classes as text: "
            "np.array(names, dtype=str)"
        )
    if names and len(names) != count:
        raise UserError(
            f"{path}: classes has {len(names)} names, the labels {count} classes; name each label once, or leave "
            "classes out"
        )
    return names or [str(label) for label in range(count)]


def array(path: Path, file: Any, key: str) -> np.ndarray:
    """One array of an npz file. Raises UserError for one of Python objects: lists of unequal length, strings, None."""
    try:
        found = file[key]
        if isinstance(found, np.ndarray):
            return found
        raise UserError(f"{path}: {key} is no array in NumPy's format; get the file again")  # NumPy gives the bytes
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
    what = "labels as integers, one an image" if key.endswith("labels") else "images as one array, all of one size"
    raise UserError(f"{path}: {key} holds Python objects, which are never read (they may run code); save {what}")


def value_range(path: Path, arrays: dict[str, np.ndarray]) -> list[int]:
    """The least and the greatest value of the training images, which become 0 and 255."""
    images = images_of(path, "train", arrays, np.uint16)
    return [int(images.min()), int(images.max())]


def eight_bits(images: np.ndarray, notes: dict[str, Any]) -> np.ndarray:
    """The images as uint8, scaled by the range that is noted, if one is."""
    return scaled(images, notes["range"]) if "range" in notes else images


def images_of(path: Path, part: str, arrays: dict[str, np.ndarray], dtype: type) -> np.ndarray:
    """A part's images as [n, K, H, W] of `dtype`, uint8 or uint16, in this machine's order of bytes."""
    images = arrays[f"{part}_images"]
    if images.dtype.kind == "u":
        images = images.astype(images.dtype.newbyteorder("="), copy=False)
    if images.dtype != dtype:
        expected = "uint8, 0 to 255" if dtype is np.uint8 else "uint16, as `depth: 16` says"
        advice = (
            "; set the data set's `depth: 16` (--depth 16) to have them scaled by their range"
            if images.dtype == np.uint16
            else ""
        )
        raise UserError(f"{path}: {part}_images is {images.dtype}; expected {expected}{advice}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        shape = arrays[f"{part}_images"].shape
        raise UserError(f"{path}: {part}_images has shape {shape}; expected [n, H, W] or [n, H, W, K] with K = 1 or 3")
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def labels_of(path: Path, part: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A part's labels as int64 [n]."""
    labels = arrays[f"{part}_labels"]
    if labels.dtype.kind not in "iu":
        raise UserError(f"{path}: {part}_labels is {labels.dtype}; expected integers 0 to C-1")
    if labels.ndim == 0 or labels.size == 0 or labels.shape not in {(len(labels),), (len(labels), 1)}:
        raise UserError(f"{path}: {part}_labels has shape {labels.shape}; expected [n] or [n, 1], one class an image")
    largest, n = int(labels.max()), len(arrays["train_labels"])
    if largest >= n:  # each class has a training image; and there is no memory for three thousand million classes
        raise UserError(
            f"{path}: {part}_labels has the label {largest}, but there are {n} training images; number the classes 0 "
            "to C-1"
        )
    return labels.reshape(-1).astype(np.int64)


def read_digits(config: dict[str, Any], _root: Path, _threads: int) -> Raw:
    """Read scikit-learn's 1,797 handwritten digits, which come with that package: nothing to
    download, the root is not used.

    They are 8 x 8, values 0 to 16: brought to 0..255, then enlarged bilinearly to `size` (16 by default).
    There is no official split. Here, of each class in the file's order, every fifth image is a test image:
    1,442 images to train, 355 to test.
    """
    data = resources.files("sklearn.datasets.data").joinpath("digits.csv.gz").read_bytes()
    # [1797, 65]: 64 pixels and the label
    table = np.loadtxt(gzip.decompress(data).decode().splitlines(), delimiter=",")
    labels = table[:, 64].astype(np.int64)
    images = np.rint(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    images = fit_all(images, config.get("size") or DIGITS_SIZE)
    rank = np.empty_like(labels)  # an image's place within its class
    for label in range(10):
        rank[labels == label] = np.arange((labels == label).sum())
    test = rank % TEST_EVERY == TEST_EVERY - 1
    classes = named(config, [str(label) for label in range(10)])
    files = [entry("digits.csv.gz", data)]
    return Raw(Path("digits"), classes, files, images[~test], labels[~test], images[test], labels[test])
