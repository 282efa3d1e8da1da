"""NumPy archives: FRePo (`image`, `label`), KIP (`images`, `labels`), channels last; and MedMNIST's layout
(`train_images`, `train_labels`).

How FRePo's and KIP's images were normalised (by ZCA, mostly) no file says: the user must. MedMNIST's are bytes.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from udd.errors import UserError
from udd.files import atomic_path
from udd.synthetic.formats.content import (
    Found,
    Wanted,
    as_bytes,
    as_images,
    as_labels,
    hard,
    normalised,
    say,
    unnormalised,
)

KEYS = (("image", "label"), ("images", "labels"), ("train_images", "train_labels"))


def opened(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels under whichever names. Raises UserError if there are none."""
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise ValueError
        with np.load(path, allow_pickle=False) as file:
            for images, labels in KEYS:
                if images in file and labels in file:
                    return numbers(path, images, file[images]), numbers(path, labels, file[labels])
            raise UserError(
                f"{path}: found {', '.join(file) or 'nothing'}; expected "
                f"{' or '.join(' and '.join(pair) for pair in KEYS)}"
            )
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not an npz of plain arrays ({why(path, error)})") from None


def numbers(path: Path, key: str, found: np.ndarray) -> np.ndarray:
    """An array of a type that torch has all operations of: whole numbers as int64 (bytes as they are), floats in this
    machine's order of bytes. Raises UserError for words and the like."""
    if found.dtype.kind not in "biuf":
        raise UserError(f"{path}: {key} is an array of {found.dtype}, expected numbers")
    if found.dtype.kind == "f":
        return found.astype(found.dtype.newbyteorder("="))
    return found if found.dtype == np.uint8 else found.astype(np.int64)


def why(path: Path, error: Exception) -> str:
    """Why a file is no npz. Of what is no archive NumPy says that it holds pickled objects, and how to load these."""
    if path.is_file() and not zipfile.is_zipfile(path):
        alone = path.read_bytes()[:6] == b"\x93NUMPY"
        return "it is one array alone, without labels: numpy.savez writes both" if alone else "it is no zip archive"
    return "an array of objects" if "pickle" in str(error) else " ".join(str(error).split())[:100]


def channels_first(images: np.ndarray) -> Tensor:
    """[n, H, W] or [n, H, W, K] as [n, K, H, W]."""
    whole = torch.from_numpy(np.ascontiguousarray(images))
    return whole.unsqueeze(1) if whole.ndim == 3 else whole.movedim(-1, 1) if whole.ndim == 4 else whole


def read(path: Path, wanted: Wanted) -> Found:
    """Images in [0, 1] and labels. Raises UserError if the file is another, or nobody said how floats were
    normalised."""
    images, labels = opened(path)
    found = as_found(path, images, labels, wanted)
    if images.dtype != np.uint8 and wanted.normalised is None:
        raise UserError(
            f"{path}: {images.dtype} images, and the file does not say how they were normalised; give --normalised "
            "none, dc or MEAN,.. STD,.."
        )
    return found


def read_bytes(path: Path, wanted: Wanted) -> Found:
    """The same of MedMNIST's layout: bytes, in whole numbers of any width. Raises UserError for floats, and for what
    no byte holds."""
    images, labels = opened(path)
    if images.dtype.kind == "f":
        raise UserError(
            f"{path}: {images.dtype} images, expected whole numbers 0 to 255; save them as uint8, or read them by "
            "--as frepo and --normalised none, dc or MEAN,.. STD,.."
        )
    if images.size and (images.min() < 0 or images.max() > 255):
        raise UserError(f"{path}: images from {images.min()} to {images.max()}, expected 0 to 255; save them as uint8")
    return as_found(path, images.astype(np.uint8), labels, wanted)


def as_found(path: Path, images: np.ndarray, labels: np.ndarray, wanted: Wanted) -> Found:
    """The images in [0, 1] and labels that an archive holds. Raises UserError if they are of another data set."""
    pixels = as_images(path, channels_first(images), wanted)
    if wanted.normalised and images.dtype != np.uint8:
        pixels = unnormalised(pixels, wanted.normalised)
    return Found(pixels, targets(path, torch.from_numpy(np.ascontiguousarray(labels)), len(pixels), wanted))


def targets(path: Path, labels: Tensor, count: int, wanted: Wanted) -> Tensor:
    """Labels; of the targets of a regression, as KIP and FRePo learn them, the largest entry."""
    columns = labels.ndim == 2 and labels.shape[1] == len(wanted.classes) > 1 and labels.isfinite().all()
    if columns and not ((labels >= 0).all() and (labels.sum(1) - 1).abs().max() < 1e-3):
        say(f"{path}: labels are a regression's targets; the class of the largest is taken")
        labels = labels.argmax(1)
    return as_labels(path, labels, count, wanted)


def write(path: Path, found: Found, wanted: Wanted, keys: tuple[str, str] = KEYS[0]) -> None:
    """Write floats, normalised if it was said how, under FRePo's names; no such file says how they are."""
    images = normalised(found.images, wanted.normalised) if wanted.normalised else found.images
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        held: dict[str, Any] = {keys[0]: images.movedim(1, -1).numpy(), keys[1]: found.labels.numpy()}
        np.savez(file, **held)
    if wanted.normalised is None:
        say(f"{path}: pixels are not normalised, and nothing in such a file says so; read them with --normalised none")


def write_kip(path: Path, found: Found, wanted: Wanted) -> None:
    """The same under KIP's names."""
    write(path, found, wanted, KEYS[1])


def write_bytes(path: Path, found: Found, _wanted: Wanted) -> None:
    """MedMNIST's training part: bytes, rounded."""
    labels, images = hard(path, found).numpy(), as_bytes(found.images).movedim(1, -1).squeeze(-1)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, train_images=images.numpy(), train_labels=labels)
