"""Data sets from anywhere: a folder, parquet or npz files, a data set by name, a manifest, arrays."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch

from udd.config import params, plan
from udd.config.schema_errors import suggestion
from udd.data import TENSORS, Dataset, read_manifest
from udd.data import load as load_pinned
from udd.data.folders import read_undivided
from udd.data.listing import has_parquet
from udd.data.packing import READERS, check_own, varied
from udd.data.raw import Raw, check, check_labels
from udd.data.sources import KNOWN
from udd.errors import UserError
from udd.files import with_name
from udd.given import is_whole, kind, names, plain
from udd.surroundings import set_aside

Arrays = Sequence[Any]  # training images [n, H, W(, K)] or [n, K, H, W] uint8, labels [n], test images, labels


@set_aside()
def dataset(
    source: str | Path | Arrays, root: str | Path | None = None, name: str | None = None, **keys: Any
) -> Dataset:
    """A data set from a folder (train/<class>/*, test/<class>/* or val/<class>/*; or train-*.parquet, test-*.parquet,
    as on the Hugging Face Hub), an npz file, the name of a kind (`cifar10`: below `root`, downloaded where absent), a
    manifest of `udd data` (.json), or four arrays: training images, labels, test images, labels.

    root: by default the environment variable UDD_DATA, else `data`. name: by default the file's or folder's, in small
    letters, digits, `_` and `-`. keys: `size`, `classes`, `flip` and what else params.yaml has for a data set; where
    `flip` is not given, params.yaml knows whether a data set by name may be mirrored, and an npz of `udd split` of
    which one it is a part. Raises UserError for whatever is missing or inconsistent.
    """
    known = (*plan.DATA_KEYS[2:], "flip")  # kind and path are in the source
    if unknown := next((key for key in keys if key not in known), None):
        raise UserError(f"dataset: unknown key '{unknown}'; {suggestion(unknown, list(known))}")
    keys = {key: names(plain(value)) if key == "classes" else plain(value) for key, value in keys.items()}
    keys = {key: value for key, value in keys.items() if value is not None}
    if (size := keys.get("size")) is not None and not (is_whole(size) and 8 <= size <= 512):
        raise UserError(f"size: found {size!r}, expected 8 to 512 pixels, a whole number")
    flip = keys.pop("flip", None)
    if not isinstance(flip, bool | None):
        raise UserError(f"flip: found {flip!r}, expected True or False")
    if name is not None and legal(str(name)) != name:
        raise UserError(f"name: found {name!r}, expected small letters, digits, _ and -, such as {legal(str(name))}")
    found, notes = found_at(source, root_of(root), name, keys)
    like = notes.get("like", found.name)
    mirrored = {"flip": params.load([params.DEFAULTS])["datasets"].get(like, {}).get("flip", True)} | notes
    return found._replace(
        like="" if like == found.name else like, flip=bool(mirrored["flip"] if flip is None else flip)
    )


@set_aside()
def undivided(source: Path, **keys: Any) -> Dataset:
    """A folder without test images (udd.data.undivided), all of whose images are training images, to be split.
    keys: as of `dataset`. Raises UserError as that."""
    at = with_name(source).absolute()
    flip, config = keys.pop("flip", True), {"name": legal(at.name), "kind": "folder", "path": at.name} | keys
    check_own(config)
    raw = read_undivided(config, at.parent, 0)
    check_labels(f"{raw.source}: train", raw.classes, len(raw.train_images), raw.train_labels)
    say_left_out(config["name"], raw.notes or {})
    return of_raw(raw, config["name"])._replace(flip=flip)


def root_of(root: str | Path | None) -> Path:
    """Where named data sets lie: where it is said, else in the environment variable UDD_DATA, else in `data`."""
    return plan.data_root({"data_root": "data"}) if root is None else Path(plan.expanded("root", str(root)))


def noted(kind: str, notes: dict[str, Any]) -> dict[str, Any]:
    """What is known of a data set beside its arrays: `like`, the data set of params.yaml that it is or is a part of;
    `flip`, whether augmentation may mirror its images. An npz of `udd split` notes them, as does its manifest."""
    return {"like": kind} if kind in KNOWN else {key: notes[key] for key in ("like", "flip") if key in notes}


def found_at(
    source: str | Path | Arrays, root: Path, name: str | None, keys: dict[str, Any]
) -> tuple[Dataset, dict[str, Any]]:
    """The data set of a source, as `dataset` takes it, and what is `noted` of it."""
    if not isinstance(source, str | Path):
        refuse_idle("arrays are", keys.keys() - {"classes"})
        return of_arrays(source, name or "arrays", keys.get("classes")), {}
    path = Path(source)
    if path.suffix == ".json":
        refuse_idle("manifests are", keys.keys() | ({"name"} if name else set()))
        pinned = read_manifest(path)
        return load_pinned(path, root), noted(pinned["kind"], pinned)
    if path.is_dir() or path.suffix == ".npz":
        kind = ("parquet" if has_parquet(path) else "folder") if path.is_dir() else "npz"
        at = with_name(path).absolute()  # a link is what it is called
        config = {"name": name or legal(at.name if path.is_dir() else at.stem), "kind": kind, "path": at.name} | keys
        check_own(config)
        raw = READERS[kind](config, at.parent, 0)
    elif str(source) in READERS:
        config = {"name": name or str(source), "kind": str(source)} | keys
        check_own(config)
        raw = READERS[str(source)](config, root, 0)
    else:
        known = ", ".join(KNOWN)
        raise UserError(
            f"{source}: no such folder or .npz file, and no data set's name; expected one of {known}, or a path"
        )
    check(raw)
    say_left_out(config["name"], raw.notes or {})
    return of_raw(raw, config["name"]), noted(config["kind"], raw.notes or {})


def say_left_out(name: str, notes: dict[str, Any]) -> None:
    """Say what lies beside a folder's images and is not read, if anything does."""
    if left_out := notes.get("left_out"):
        told = ", ".join(f"{count} {what}" for what, count in sorted(left_out.items()))
        print(f"{name}: left out: {told}", file=sys.stderr)


def refuse_idle(what: str, keys: Set[str]) -> None:
    """Raise UserError for keys that change nothing."""
    if keys:
        raise UserError(f"dataset: {what} taken as they are; leave out {', '.join(sorted(keys))}")


def legal(stem: str) -> str:
    """A file's or folder's name as a data set may be called: small letters, digits, `_` and `-`,
    from a letter or digit on."""
    return re.sub("[^a-z0-9_-]+", "-", stem.lower()).lstrip("_-") or "images"


def of_raw(raw: Raw, name: str) -> Dataset:
    """A data set of what a reader found. Raises UserError if a channel of the training images is constant."""
    mean, std = varied(raw)
    arrays = {part: torch.from_numpy(np.require(getattr(raw, part), requirements=("C", "W"))) for part in TENSORS}
    return Dataset(name, list(raw.classes), mean, std, flip=True, like="", **arrays)


def of_arrays(arrays: Arrays, name: str, classes: Sequence[str] | None) -> Dataset:
    """A data set of four arrays or tensors. Raises UserError where they are not four, not uint8, not square, their
    shapes do not fit, or labels are not 0 to C-1."""
    if not isinstance(arrays, Sequence) or len(arrays) != 4:
        found = f"{len(arrays)} arrays" if isinstance(arrays, Sequence) else kind(arrays)
        raise UserError(
            f"dataset: found {found}, expected a path, a name, or four arrays: training images, labels, test images, "
            "labels"
        )
    # Copies: a caller who changes an array later does not change the data set
    train, train_labels, test, test_labels = (on_cpu(each).copy() for each in arrays)
    for found, labels, part in ((train, train_labels, "training"), (test, test_labels, "test")):
        check_arrays(part, found, labels)
        check_range(part, labels, len(train_labels))
    train, test = channels_first("training", train), channels_first("test", test)
    check_square(train, test)
    count = int(max(train_labels.max(), test_labels.max())) + 1
    called = list(classes or map(str, range(count)))
    raw = Raw(Path("dataset"), called, [], train, train_labels.astype(np.int64), test, test_labels.astype(np.int64))
    check(raw)
    return of_raw(raw, name)


def on_cpu(given: Any) -> np.ndarray:
    """An array of what was given: an array, a list, or a tensor of any device."""
    return np.asarray(given.detach().cpu() if isinstance(given, torch.Tensor) else given)


def check_arrays(part: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Raise UserError unless these are images of bytes and whole numbers, one an image."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[:1] != labels.shape[:1]:
        shape = f"{images.dtype} {list(images.shape)} with labels {list(labels.shape)}"
        raise UserError(
            f"dataset: {part} images are {shape}; expected uint8 [n, H, W], [n, H, W, K] or [n, K, H, W] and n labels"
        )
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or not labels.size:
        raise UserError(
            f"dataset: {part} labels are {labels.dtype} {list(labels.shape)}; expected whole numbers [n], 0 to C-1"
        )


def check_square(train: np.ndarray, test: np.ndarray) -> None:
    """Raise UserError unless all images [n, K, H, W] are squares of one size."""
    if len({side for images in (train, test) for side in images.shape[2:]}) > 1:
        raise UserError(
            f"dataset: training images are {list(train.shape[2:])} and test images {list(test.shape[2:])} [H, W], "
            "expected squares of one size; resize or crop the arrays to squares first"
        )


def check_range(part: str, labels: np.ndarray, images: int) -> None:
    """Raise UserError unless labels are of 0 to C-1, where each class has one of so many training images: before a
    name is made for each class, of which there may be thousands of millions."""
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= images:
        raise UserError(
            f"dataset: {part} labels run from {least} to {most}, of {images} training images; number the classes 0 to "
            "C-1"
        )


def channels_first(part: str, images: np.ndarray) -> np.ndarray:
    """Images as [n, K, H, W]. Raises UserError unless K is 1 or 3."""
    if images.ndim == 3:
        return images[:, None]
    if images.shape[1] in (1, 3):
        return images
    if images.shape[3] in (1, 3):
        return images.transpose(0, 3, 1, 2)
    raise UserError(
        f"dataset: {part} images are {list(images.shape)}, expected 1 or 3 channels, first or last; leave others out, "
        "as images[..., :3] of RGBA"
    )
