"""Which files of a tree are its images: `<split>/<class>/`, at any depth below a class,
in whatever format Pillow reads.

What is left out is counted. Hidden files and folders are nobody's images; those in them that look
like one count all the same.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from udd.errors import UserError

SPLITS = {"folder": ("train", "test"), "imagenet10": ("train", "val")}  # a kind's training and test folder
TESTS = ("test", "val", "validation", "valid")  # what folders of test images are called, the first before the next
ANNOTATIONS = "val/val_annotations.txt"  # Tiny-ImageNet's: lines of file, class, box; its test images have no labels
PARTS = ("test", "validation")  # the Hub's parts to test on, the first that is there
SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})\.parquet")  # one of the Hub's numbered files
# Formats that Pillow names, but cannot decode by itself
NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
LITTER = {"__MACOSX", "__pycache__"}  # folders that programs leave behind


class Part(NamedTuple):
    """The training or the test part of a tree: its image files, sorted within their class, and each one's label."""

    paths: list[Path]
    labels: list[int]


@cache
def suffixes() -> frozenset[str]:
    """The suffixes, in lower case, of the formats that Pillow reads."""
    from PIL import Image

    Image.init()
    return frozenset(
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in NO_PICTURES
    )


def is_image(path: Path) -> bool:
    """Whether a file counts as an image, by its name."""
    return path.suffix.lower() in suffixes() and not path.name.startswith(".")


def walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, also through links, but for those of hidden folders and litter."""
    for here, folders, files in os.walk(folder, followlinks=True):
        above = Path(here).resolve()
        kept = (name for name in folders if not name.startswith(".") and name not in LITTER)
        # No link to a folder above
        folders[:] = [name for name in kept if not above.is_relative_to(Path(here, name).resolve())]
        yield from (Path(here, name) for name in files)


def images_below(folder: Path) -> tuple[list[Path], Counter[str]]:
    """A folder's images, sorted, and how many files of what suffix are left out."""
    images, left_out = [], Counter()
    for path in walk(folder):
        if is_image(path):
            images.append(path)
        elif not path.name.startswith("."):
            left_out[path.suffix.lower() or "no suffix"] += 1
        elif path.suffix.lower() in suffixes() and not path.name.startswith("._"):  # macOS writes a ._x beside each x
            left_out["hidden"] += 1
    return sorted(images), left_out


def named(place: Path) -> set[str]:
    """The names of the folders in a folder that may be classes; none where there is no such folder."""
    folders = (folder.name for folder in place.iterdir() if folder.is_dir()) if place.is_dir() else ()
    return {name for name in folders if not name.startswith(".") and name not in LITTER}


def splits_of(base: Path, kind: str) -> tuple[str, str]:
    """The names of a tree's training and test folder: of one's own, the first of TESTS that has a class of `train/`,
    else the first that is there."""
    train, test = SPLITS[kind]
    there = [name for name in TESTS if kind == "folder" and (base / name).is_dir()]
    classes = named(base / train) if len(there) > 1 else set()
    return train, next((name for name in there if classes & named(base / name)), (*there, test)[0])


def class_folders(base: Path, splits: tuple[str, ...]) -> list[str]:
    """The names of the class folders in any split, sorted; a class that only one split has is found missing later."""
    for split in splits:
        if not (base / split).is_dir():
            raise UserError(
                f"{base / split}: no such folder; expected train/<class>/ and test/<class>/ in {base}"
                f"{misnamed(base, split)}"
            )
    return sorted(set().union(*(named(base / split) for split in splits)))


def misnamed(base: Path, split: str) -> str:
    """What to rename where the folder of a part is called otherwise."""
    words = ("train", "training") if split == "train" else (*TESTS, "testing")
    other = next((name for name in sorted(named(base)) if name.lower() in words and name != split), None)
    return f"; rename {other}/ to {split}/" if other else ""


def find_tree(base: Path, kind: str, wanted: list[str] | None) -> tuple[list[str], list[Part], Counter[str]]:
    """A tree's classes (those `wanted`, else all), its training and test part, and what is left out.

    Raises UserError for a class whose folder is missing or has no image.
    """
    train, test = splits_of(base, kind)
    annotated = (base / ANNOTATIONS).is_file()
    classes = wanted or class_folders(base, (train,) if annotated else (train, test))
    left_out: Counter[str] = Counter()
    parts = [find(base, split, classes, left_out) for split in ((train,) if annotated else (train, test))]
    if annotated:
        parts.append(find_annotated(base, classes, not wanted))
    if kind == "folder" and not wanted:
        left_out += aside(base, {train, "val" if annotated else test})
    return list(classes), parts, left_out


def find(base: Path, split: str, classes: list[str], left_out: Counter[str]) -> Part:
    """List a split's images, counting what is left out. Raises UserError for a class
    whose folder is missing or has none."""
    paths, labels = [], []
    for label, name in enumerate(classes):
        folder = base / split / name
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; class {name} needs images in {split}/")
        found, others = images_below(folder)
        if not found:
            there = f" ({told(others)})" if others else ""
            raise UserError(f"{folder}: no image that Pillow reads{there}; class {name} needs images in {split}/")
        paths += found
        labels += [label] * len(found)
        left_out += others
    return Part(paths, labels)


def find_annotated(base: Path, classes: list[str], every: bool) -> Part:
    """The test images that Tiny-ImageNet's annotations name. Raises UserError for a class that
    `every` one should be of."""
    file = base / ANNOTATIONS
    place = {name: label for label, name in enumerate(classes)}
    images: list[list[Path]] = [[] for _ in classes]
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        name, label = (*line.split("\t"), "", "")[:2]
        if label in place:
            images[place[label]].append(file.parent / "images" / name)
        elif line.strip() and every:
            raise UserError(
                f"{file}, line {number}: class {label!r} has no folder in train/; expected a file and its class, with "
                "a tab"
            )
    return Part(
        [path for group in images for path in sorted(group)],
        [label for label, group in enumerate(images) for _ in group],
    )


def aside(base: Path, splits: set[str]) -> Counter[str]:
    """How many images lie where none is read: beside the split folders, in other folders, beside the class folders."""
    found: Counter[str] = Counter()
    for entry in base.iterdir():
        if entry.name in splits:
            found[f"{entry.name}/"] = sum(is_image(path) for path in entry.iterdir() if path.is_file())
        elif entry.is_dir() and not entry.name.startswith(".") and entry.name not in LITTER:
            found[f"{entry.name}/"] = sum(is_image(path) for path in walk(entry))
        elif is_image(entry):
            found["./"] += 1
    return +found


def has_parquet(base: Path) -> bool:
    """Whether a folder is one of the Hub's: parquet files of training images in it, or in its data/."""
    return any(any(place.glob("train-*.parquet")) for place in (base, base / "data"))


def parquet_files(base: Path) -> list[list[Path]]:
    """The files of training and of test images (test-*, else validation-*), sorted. Raises
    UserError where there are none."""
    if not has_parquet(base):
        raise UserError(f"{base}: no train-*.parquet in it or its data/; name the folder that holds them")
    place = base if any(base.glob("train-*.parquet")) else base / "data"
    test = next((found for part in PARTS for found in [sorted(place.glob(f"{part}-*.parquet"))] if found), [])
    if not test:
        raise UserError(
            f"{place}: no test-*.parquet and no validation-*.parquet, expected one beside train-*.parquet; put test "
            "images there"
        )
    found = [sorted(place.glob("train-*.parquet")), test]
    for files in found:
        whole(files)
    return found


def whole(files: list[Path]) -> None:
    """Raise UserError if one of NAME-00000-of-00005.parquet to the last of them is missing: a download that was cut."""
    for file in files:
        if numbered := SHARD.match(file.name):
            stem, count = numbered[1], int(numbered[2])
            names = [f"{stem}-{each:05}-of-{count:05}.parquet" for each in range(count)]
            if missing := sorted(set(names) - {each.name for each in files}):
                raise UserError(f"{file.parent}: {missing[0]} is missing, one of {count} parts; get the data set again")


def other_parquet(base: Path) -> Counter[str]:
    """How many parquet files of a folder are not read."""
    read = {path for part in parquet_files(base) for path in part}
    return Counter(f"{path.stem.split('-')[0]}-*.parquet" for path in base.rglob("*.parquet") if path not in read)


def told(left_out: Counter[str]) -> str:
    """The counts in words: `3 .txt, 120 val/`."""
    return ", ".join(f"{count} {what}" for what, count in sorted(left_out.items()))


def image_files(base: Path, kind: str, wanted: list[str] | None) -> list[Path]:
    """The images that `find_tree` finds, in no order; none where it would raise."""
    try:
        _, parts, _ = find_tree(base, kind, wanted)
    except UserError:
        return [path for split in splits_of(base, kind) for path in images_below(base / split)[0]]
    return [path for part in parts for path in part.paths]
