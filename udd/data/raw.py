"""What every reader returns: a data set's images as they are in its files, and which files those are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from udd.errors import UserError

FORMAT = 1  # of a manifest
SHOWN = 5  # names in a line


class Raw(NamedTuple):
    """A data set as read: images uint8 [n, K, H, W], labels int64 [n] in 0..C-1, classes
    by name, and an `entry` a file."""

    source: Path  # named in error messages
    classes: list[str]
    files: list[dict[str, Any]]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    notes: dict[str, Any] | None = None  # what the manifest says besides: like, flip, left out, background, range


def entry(name: str, data: bytes) -> dict[str, Any]:
    """A raw file's line in the manifest: name (relative, with /), size and SHA-256."""
    return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def named(config: dict[str, Any], found: Sequence[str]) -> list[str]:
    """The classes' names: those of the configuration, if it has any, else `found`. Raises UserError
    if their number differs."""
    wanted = config.get("classes")
    if not wanted:
        return list(found)
    if len(wanted) != len(found):
        raise UserError(
            f"{config['name']}: classes has {len(wanted)} names, the data {len(found)} classes; name each label once"
        )
    return list(wanted)


def counts(labels: np.ndarray, classes: int) -> list[int]:
    """How many images each class has."""
    return np.bincount(labels, minlength=classes).tolist()


def check(raw: Raw) -> None:
    """Raise UserError unless the images are square and of one shape and every class is in the
    training and in the test part."""
    if len(raw.classes) < 2 or len(set(raw.classes)) < len(raw.classes):
        raise UserError(f"{raw.source}: classes are {raw.classes}; at least two, each named once, are needed")
    channels = raw.train_images.shape[1], raw.test_images.shape[1]
    if channels[0] != channels[1]:
        found = " and ".join(
            f"{part} images have {count}" for part, count in zip(("training", "test"), channels, strict=True)
        )
        raise UserError(f"{raw.source}: {found} channels; make all of them grey (1) or all RGB (3)")
    shapes = {raw.train_images.shape[1:], raw.test_images.shape[1:]}
    if len(shapes) > 1 or raw.train_images.shape[2] != raw.train_images.shape[3]:
        found = " and ".join(map(str, sorted(shapes)))
        raise UserError(f"{raw.source}: images are {found} [K, H, W], not square or not alike; set the data set's size")
    least = min((int(labels.min()) for labels in (raw.train_labels, raw.test_labels) if labels.size), default=0)
    if least == 1 and raw.classes[0] == "0":
        raise UserError(f"{raw.source}: labels begin at 1, expected 0 to C-1; take 1 from each, in both parts")
    for part, images, labels in (
        ("train", raw.train_images, raw.train_labels),
        ("test", raw.test_images, raw.test_labels),
    ):
        check_labels(f"{raw.source}: {part}", raw.classes, len(images), labels)


def check_labels(where: str, classes: list[str], images: int, labels: np.ndarray) -> None:
    """Raise UserError unless there is a label an image, each in 0..C-1, and no class without one."""
    if labels.shape != (images,):
        raise UserError(f"{where} has {images} images and labels of shape {labels.shape}; one label an image is needed")
    if images and (labels.min() < 0 or labels.max() >= len(classes)):
        raise UserError(f"{where} labels run from {labels.min()} to {labels.max()}; expected 0 to {len(classes) - 1}")
    missing = [name for name, count in zip(classes, counts(labels, len(classes)), strict=True) if count == 0]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise UserError(
            f"{where} has no image of class {', '.join(missing[:SHOWN])}{more}; every class needs training and test "
            "images"
        )
