"""One's own folder of images that are in no parts yet: `<class>/`, or `train/<class>/` and no test images with
classes."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

from udd.data.listing import ANNOTATIONS, TESTS, Part, find, has_parquet, is_image, named
from udd.errors import UserError

PARTS = {*TESTS, "train", "training", "testing", "dev"}  # what is called so is a part, and no class


def undivided(base: Path) -> Path | None:
    """What holds the class folders of a tree without test images: its `train/` or, without that, the folder itself;
    None for any other tree."""
    if has_parquet(base) or (base / ANNOTATIONS).is_file():
        return None
    place = base / "train" if (base / "train").is_dir() else base
    classes = named(place)
    if len(classes) < 2 or place == base and any(name.lower() in PARTS for name in classes):
        return None
    # One folder in test/ that is no class holds images without labels
    tested = any(len(found := named(base / name)) > 1 or classes & found for name in TESTS if place != base)
    return None if tested else place


def refuse_undivided(base: Path) -> None:
    """Raise UserError for a tree without test images, and say what makes some."""
    if place := undivided(base):
        path = f"./{base}" if str(base).startswith("-") else str(base)  # a path, and no option
        raise UserError(
            f"{base}: no test images with classes, expected test/<class>/ in it beside train/<class>/; udd split "
            f"{shlex.quote(path)} --test N --seed 0 --out NAME.npz sets some aside of {place}"
        )


def find_undivided(base: Path) -> tuple[list[str], list[Part], Counter[str]]:
    """`find_tree` of a tree without test images: all are training images. Raises UserError as that."""
    place = undivided(base)
    assert place is not None
    classes, left_out = sorted(named(place)), Counter[str]()
    parts = [find(place, ".", classes, left_out), Part([], [])]
    left_out["./"] += sum(is_image(path) for path in place.iterdir() if path.is_file())
    return classes, parts, +left_out
