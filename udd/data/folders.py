"""Data sets that come as folders of image files: a user's own (`folder`) and the ImageNet subset (`imagenet10`)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from udd.data.images import decode, probe
from udd.data.raw import Raw, entry
from udd.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg"}  # in any case


class Part(NamedTuple):
    """The training or the test part of a tree: its image files, sorted within their class, and each one's label."""

    paths: list[Path]
    labels: list[int]


def read_folder(config: dict[str, Any], root: Path, threads: int) -> Raw:
    """Read `train/<class>/*` and `test/<class>/*` (.png, .jpg, .jpeg). The images are grey if all of them are, else RGB.

    Classes are the folders, sorted by name, or those that `classes` lists. With `size`, images of any size are fitted to it;
    without, all must be squares of one size. Raises UserError for a class without images and for a file that does not decode.
    """
    base = root / (config.get("path") or config["name"])
    classes = config.get("classes") or class_folders(base, ("train", "test"))
    parts = [find(base, split, classes) for split in ("train", "test")]
    with ThreadPoolExecutor(workers(threads)) as pool:
        headers = list(pool.map(probe, parts[0].paths + parts[1].paths))
    size = config.get("size") or common_side(base, {side for _, side in headers})
    return read_tree(base, classes, parts, all(grey for grey, _ in headers), size, threads)


def read_imagenet(config: dict[str, Any], root: Path, threads: int) -> Raw:
    """Read the classes that `classes` lists (WordNet ids) from an ImageNet folder, `train/<wnid>/*` and `val/<wnid>/*`.

    Images are RGB at `size` (224 by default). Raises UserError for a class without images and for a file that does not decode.
    """
    base = root / (config.get("path") or config["name"])
    if not config.get("classes"):
        raise UserError(f"{config['name']}: an imagenet10 data set needs classes, a list of WordNet ids")
    parts = [find(base, split, config["classes"]) for split in ("train", "val")]
    return read_tree(base, config["classes"], parts, False, config.get("size") or 224, threads)


def class_folders(base: Path, splits: tuple[str, ...]) -> list[str]:
    """The names of the class folders in any split, sorted; a class that only one split has is found missing later."""
    for split in splits:
        if not (base / split).is_dir():
            raise UserError(f"{base / split}: no such folder; expected train/<class>/ and test/<class>/ in {base}")
    folders = (folder for split in splits for folder in (base / split).iterdir() if folder.is_dir())
    return sorted({folder.name for folder in folders if not folder.name.startswith((".", "__"))})


def find(base: Path, split: str, classes: list[str]) -> Part:
    """List a split's image files. Raises UserError for a class whose folder is missing or has none."""
    paths, labels = [], []
    for label, name in enumerate(classes):
        folder = base / split / name
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; class {name} needs images in {split}/")
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise UserError(f"{folder}: no .png, .jpg or .jpeg file; class {name} needs images in {split}/")
        paths += files
        labels += [label] * len(files)
    return Part(paths, labels)


def common_side(base: Path, sides: set[tuple[int, int]]) -> int:
    """The side of the images if they are all squares of one size. Raises UserError otherwise."""
    width, height = min(sides)
    if len(sides) > 1 or width != height:
        raise UserError(f"{base}: images from {min(sides)} to {max(sides)} pixels (width, height); set the data set's size")
    return width


def read_tree(base: Path, classes: list[str], parts: list[Part], grey: bool, size: int, threads: int) -> Raw:
    """Decode and hash every file, several at once; the order of the images is that of their sorted names."""
    arrays, files = [], []
    for part in parts:
        images = np.empty((len(part.paths), 1 if grey else 3, size, size), np.uint8)

        def read(index: int, part: Part = part, images: np.ndarray = images) -> dict[str, Any]:
            path = part.paths[index]
            data = path.read_bytes()
            images[index] = decode(path, data, grey, size)
            return entry(path.relative_to(base).as_posix(), data)

        with ThreadPoolExecutor(workers(threads)) as pool:
            files += pool.map(read, range(len(part.paths)))
        arrays += [images, np.array(part.labels, np.int64)]
    return Raw(base, list(classes), files, *arrays)


def workers(threads: int) -> int:
    """How many threads decode: as many as were asked for, else one a core."""
    return threads if threads > 0 else min(16, os.cpu_count() or 1)
