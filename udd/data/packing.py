"""Raw files -> one packed file of tensors and its manifest."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from udd.data.arrays import read_digits, read_npz
from udd.data.folders import read_folder, read_imagenet
from udd.data.official import read_cifar, read_idx_set, read_svhn
from udd.data.parquet import read_parquet
from udd.data.raw import FORMAT, Raw, check, counts
from udd.data.sources import KNOWN, packed_name
from udd.errors import UserError
from udd.files import atomic_path, sha256

TENSORS = ("train_images", "train_labels", "test_images", "test_labels")

OWN_KEYS = {"depth", "background"}

# How each kind is read: (config, root, threads) -> Raw.
READERS: dict[str, Callable[..., Raw]] = {
    "mnist": partial(read_idx_set, "MNIST"),
    "fashionmnist": partial(read_idx_set, "FashionMNIST"),
    "svhn": partial(read_svhn, "SVHN"),
    "cifar10": partial(read_cifar, "CIFAR10"),
    "cifar100": partial(read_cifar, "CIFAR100"),
    "digits": read_digits,
    "npz": read_npz,
    "folder": read_folder,
    "parquet": read_parquet,
    "imagenet10": read_imagenet,
}


def check_own(config: dict[str, Any]) -> None:
    """Raise UserError for a key of one's own images where they are known, for the background of images that have none,
    and for bits a channel that are not read."""
    for key in sorted(OWN_KEYS & config.keys()) if config["kind"] in KNOWN else ():
        raise UserError(
            f"{config['name']}: {key} is of no use to kind {config['kind']}, whose images are known; leave it out"
        )
    if "background" in config and config["kind"] == "npz":
        raise UserError(f"{config['name']}: background is of no use to kind npz, whose images are opaque; leave it out")
    if config.get("depth", 16) != 16:
        raise UserError(f"{config['name']}: depth: found {config['depth']!r}, expected 16; leave it out for 8 bits")


def prepare(config: dict[str, Any], root: Path, threads: int = 0) -> dict[str, Any]:
    """Read the data set that `config` declares, write its packed file below `root`, return its manifest.

    The same raw files give the same packed bytes and the same manifest on any machine. `threads` decode
    images (0: one a core). Raises UserError, naming the file, for whatever is missing, corrupt or
    inconsistent; nothing is written then.
    """
    if not isinstance(config, dict) or not config.get("name"):
        raise UserError(f"data set {json.dumps(config)}: no name; expected an object with name and kind")
    if config.get("kind") not in READERS:
        raise UserError(f"{config['name']}: unknown kind {config.get('kind')!r}; expected one of {', '.join(READERS)}")
    path = config.get("path") or ""
    if Path(path).is_absolute() or path.startswith("~") or "$" in path:
        raise UserError(f"{config['name']}: path {path} is absolute; put a link to it in the data root and name that")
    check_own(config)
    check_writable(root)
    raw = READERS[config["kind"]](config, root, threads)
    check(raw)
    mean, std = varied(raw)
    classes = len(raw.classes)
    return {
        "format": FORMAT,
        "dataset": config["name"],
        "kind": config["kind"],
        "config": config,
        "classes": raw.classes,
        "counts": {"train": counts(raw.train_labels, classes), "test": counts(raw.test_labels, classes)},
        "shape": list(raw.train_images.shape[1:]),
        "mean": mean,
        "std": std,
        "files": raw.files,
        "packed": pack(raw, config, root),
    } | (raw.notes or {})


def check_writable(root: Path) -> None:
    """Raise UserError if no packed file can be written below `root`."""
    place = next(folder for folder in (root / "packed", root, *root.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        advice = (
            "link what is in it into a folder of your own and name that: UDD_DATA=FOLDER, or data_root in params.yaml"
        )
        raise UserError(f"{place}: cannot be written, and packed data sets lie in the data root; {advice}")


def channel_statistics(images: np.ndarray, chunk: int = 64) -> tuple[list[float], list[float]]:
    """Each channel's mean and (population) standard deviation on the [0, 1] scale, of uint8 images [n, K, H, W].

    Exact up to one rounding: pixels are only counted, by their value, and the sums are of integers.
    Streamed, `chunk` images at a time.
    """
    channels = images.shape[1]
    histogram = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), chunk):
        for channel in range(channels):
            histogram[channel] += np.bincount(images[start : start + chunk, channel].ravel(), minlength=256)
    values = np.arange(256)
    number = int(histogram[0].sum())
    sums = [int(row @ values) for row in histogram]
    squares = [int(row @ values**2) for row in histogram]
    mean = [total / (255 * number) for total in sums]
    std = [math.sqrt(number * square - total**2) / (255 * number) for total, square in zip(sums, squares, strict=True)]
    return mean, std


def varied(raw: Raw) -> tuple[list[float], list[float]]:
    """Each channel's mean and standard deviation. Raises UserError if one is constant."""
    mean, std = channel_statistics(raw.train_images)
    if min(std) == 0:
        raise UserError(
            f"{raw.source}: a channel of the training images is constant (std is {std}) and cannot be normalised"
        )
    return mean, std


def pack(raw: Raw, config: dict[str, Any], root: Path) -> dict[str, Any]:
    """Write the four tensors to one file below `root`; return its name, size and SHA-256."""
    name = f"{packed_name(config)}.safetensors"
    with atomic_path(root / name) as temporary:
        temporary.touch()
        # What the umask allows; safetensors would let only this user read a shared root
        mode = temporary.stat().st_mode
        try:
            save_file({tensor: np.ascontiguousarray(getattr(raw, tensor)) for tensor in TENSORS}, temporary)
        except SafetensorError as error:
            raise UserError(f"{root / name}: could not be written ({error}); free some space and run again") from None
        temporary.chmod(mode)
    return {"file": name, "bytes": (root / name).stat().st_size, "sha256": sha256(root / name)}
