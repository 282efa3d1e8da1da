"""Data sets that come as folders of image files: a user's own (`folder`) and the ImageNet subset (`imagenet10`)."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from udd.data.images import Look, decode, deep_values, probe, unreadable
from udd.data.listing import ANNOTATIONS, Part, find_tree
from udd.data.raw import Raw, entry
from udd.data.undivided import find_undivided, refuse_undivided
from udd.errors import UserError


def read_folder(config: dict[str, Any], root: Path, threads: int) -> Raw:
    """Read the images below `train/<class>/` and `test/<class>/` (where there is none, `val/`, `validation/` or
    `valid/`), at any depth. They are grey if all of them are, else RGB.

    Classes are the folders, sorted by name, or those that `classes` lists. With `size`, images of any size are
    fitted to it; without, all must be squares of one size. Raises UserError for a class without images and for a
    file that does not decode.
    """
    base = root / (config.get("path") or config["name"])
    refuse_undivided(base)
    return read_found(base, *find_tree(base, "folder", config.get("classes")), config, threads)


def read_undivided(config: dict[str, Any], root: Path, threads: int) -> Raw:
    """The same of a folder without test images (udd.data.undivided): all are training images."""
    base = root / config["path"]
    return read_found(base, *find_undivided(base), config, threads)


def read_found(
    base: Path, classes: list[str], parts: list[Part], left_out: Counter[str], config: dict[str, Any], threads: int
) -> Raw:
    """Read what was found of one's own folder."""
    with ThreadPoolExecutor(workers(threads)) as pool:
        headers = list(pool.map(lambda path: probe(path, "depth" in config), parts[0].paths + parts[1].paths))
    size = config.get("size") or common_side(base, {side for _, side in headers})
    return read_tree(base, classes, parts, left_out, look(config, all(grey for grey, _ in headers), size), threads)


def read_imagenet(config: dict[str, Any], root: Path, threads: int) -> Raw:
    """Read the classes that `classes` lists (WordNet ids) from an ImageNet folder, `train/<wnid>/` and `val/<wnid>/`.

    Images are RGB at `size` (224 by default). Raises UserError for a class without images and for a
    file that does not decode.
    """
    base = root / (config.get("path") or config["name"])
    if not config.get("classes"):
        raise UserError(f"{config['name']}: an imagenet10 data set needs classes, a list of WordNet ids")
    classes, parts, left_out = find_tree(base, "imagenet10", config["classes"])
    return read_tree(base, classes, parts, left_out, look(config, False, config.get("size") or 224), threads)


def look(config: dict[str, Any], grey: bool, size: int) -> Look:
    """How the images become pixels; the range of 16-bit ones is not known yet."""
    return Look(grey, size, config.get("background", "white"), (0, 65535) if "depth" in config else None)


def common_side(base: Path, sides: set[tuple[int, int]]) -> int:
    """The side of the images if they are all squares of one size. Raises UserError otherwise."""
    width, height = min(sides)
    if len(sides) > 1 or width != height:
        raise UserError(
            f"{base}: images from {min(sides)} to {max(sides)} pixels (width, height); set the data set's size"
        )
    return width


def read_tree(
    base: Path, classes: list[str], parts: list[Part], left_out: Counter[str], look: Look, threads: int
) -> Raw:
    """Decode and hash every file, several at once; the order of the images is that of their sorted names."""
    arrays, files, notes = [], [], Counter()
    if look.span:
        look = look._replace(span=value_range(parts[0].paths, threads))
    for part in parts:
        images = np.empty((len(part.paths), 1 if look.grey else 3, *(look.size or 0,) * 2), np.uint8)

        def read(index: int, part: Part = part, images: np.ndarray = images) -> tuple[dict[str, Any], Counter[str]]:
            path = part.paths[index]
            data = contents(path)
            images[index], found = decode(path, data, look)
            return entry(path.relative_to(base).as_posix(), data), found

        with ThreadPoolExecutor(workers(threads)) as pool:
            for file, found in pool.map(read, range(len(part.paths))):
                files.append(file)
                notes += found
        arrays += [images, np.array(part.labels, np.int64)]
    if (labels := base / ANNOTATIONS).is_file():
        files.append(entry(ANNOTATIONS, contents(labels)))
    return Raw(base, classes, files, *arrays, notes=described(look, left_out, notes))


def contents(path: Path) -> bytes:
    """The bytes of an image file. Raises UserError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def value_range(paths: list[Path], threads: int) -> tuple[int, int]:
    """The least and the greatest value in the training images of 16 bits a channel: one range for the whole data
    set."""

    def extremes(path: Path) -> tuple[int, int]:
        values = deep_values(path, contents(path))
        return int(values.min()), int(values.max())

    with ThreadPoolExecutor(workers(threads)) as pool:
        lows, highs = zip(*pool.map(extremes, paths), strict=True)
    return min(lows), max(highs)


def described(look: Look, left_out: Counter[str], found: Counter[str]) -> dict[str, Any]:
    """What a manifest adds where there is something to say: what was left out, the
    background, the range of 16-bit values."""
    left_out += Counter({"further frames": found["frames"]})
    notes: dict[str, Any] = {"left_out": dict(left_out)} if left_out else {}
    if found["transparent"]:
        notes |= {"background": look.background, "transparent": found["transparent"]}
    return notes | ({"range": list(look.span)} if look.span else {})


def workers(threads: int) -> int:
    """How many threads decode: as many as were asked for, else one a core."""
    return threads if threads > 0 else min(16, os.cpu_count() or 1)
