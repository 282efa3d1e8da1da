"""Data sets that come as arrays: `npz` files in MedMNIST's layout, and scikit-learn's `digits`."""

from __future__ import annotations

import gzip
import io
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from udd.data.images import fit_all
from udd.data.raw import Raw, entry, named
from udd.errors import UserError

DIGITS_SIZE = 16
TEST_EVERY = 5  # one digit of five is a test image


def read_npz(config: dict[str, Any], root: Path, _threads: int) -> Raw:
    """Read an `npz` data set: images uint8 [n, H, W] or [n, H, W, K], K = 1 or 3; labels integer [n] or [n, 1].

    Other keys, such as val_images, are ignored.
    Raises UserError, naming the file, for a corrupt file and for arrays that are missing, of another type or of another shape.
    """
    path = root / (config.get("path") or f"{config['name']}.npz")
    if not path.is_file():
        raise UserError(f"{path}: no such file; put the arrays there or mend the data set's path")
    data = path.read_bytes()
    arrays = load_arrays(path, data)
    train_images, test_images = (images_of(path, part, arrays, config.get("size")) for part in ("train", "test"))
    train_labels, test_labels = (labels_of(path, part, arrays) for part in ("train", "test"))
    classes = config.get("classes") or [str(label) for label in range(max(train_labels.max(), test_labels.max()) + 1)]
    files = [entry(path.name, data)]
    return Raw(path, list(classes), files, train_images, train_labels, test_images, test_labels)


def load_arrays(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """The four arrays of an npz file. Pickled objects are refused: a data file must not run code."""
    keys = [f"{part}_{what}" for part in ("train", "test") for what in ("images", "labels")]
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            found = {key: file[key] for key in keys if key in file}
    except Exception as error:  # the parsers of zip and npy raise a dozen kinds on foreign bytes, and all mean the same here
        raise UserError(f"{path}: corrupt, truncated or not an npz file ({error}); get it again") from None
    if len(found) < len(keys):
        raise UserError(f"{path}: no {' and no '.join(sorted(set(keys) - set(found)))}; expected {', '.join(keys)}")
    return found


def images_of(path: Path, part: str, arrays: dict[str, np.ndarray], size: int | None) -> np.ndarray:
    """A part's images as uint8 [n, K, H, W], fitted to `size` if given."""
    images = arrays[f"{part}_images"]
    if images.dtype != np.uint8:
        raise UserError(f"{path}: {part}_images is {images.dtype}; expected uint8, 0 to 255")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        shape = arrays[f"{part}_images"].shape
        raise UserError(f"{path}: {part}_images has shape {shape}; expected [n, H, W] or [n, H, W, K] with K = 1 or 3")
    return fit_all(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), size)


def labels_of(path: Path, part: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A part's labels as int64 [n]."""
    labels = arrays[f"{part}_labels"]
    if labels.dtype.kind not in "iu":
        raise UserError(f"{path}: {part}_labels is {labels.dtype}; expected integers 0 to C-1")
    if labels.size == 0 or labels.shape not in {(len(labels),), (len(labels), 1)}:
        raise UserError(f"{path}: {part}_labels has shape {labels.shape}; expected [n] or [n, 1], one class an image")
    return labels.reshape(-1).astype(np.int64)


def read_digits(config: dict[str, Any], _root: Path, _threads: int) -> Raw:
    """Read scikit-learn's 1,797 handwritten digits, which come with that package: nothing to download, the root is not used.

    They are 8 x 8, values 0 to 16: brought to 0..255, then enlarged bilinearly to `size` (16 by default).
    There is no official split. Here, of each class in the file's order, every fifth image is a test image:
    1,442 images to train, 355 to test.
    """
    data = resources.files("sklearn.datasets.data").joinpath("digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(data).decode().splitlines(), delimiter=",")  # [1797, 65]: 64 pixels and the label
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
