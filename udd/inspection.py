"""One's own images as they are found, in a folder, in parquet files or in an npz: size, mode, levels, digest, fault."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from udd.errors import UserError

AS_THEY_ARE = {"L", "RGB", "I;16"}  # modes whose channels are those that are distilled


class Seen(NamedTuple):
    """One image: its part (train, test), class, name, (width, height), mode, each channel's least and greatest pixel,
    and the digest of its pixels; or why it cannot be read; how many further frames it has, which are not read."""

    part: str
    label: str
    name: str
    size: tuple[int, int]
    mode: str
    levels: tuple[Any, ...]
    digest: str
    fault: str = ""
    frames: int = 0


def look(part: str, label: str, name: str, source: Any, deep: bool = False) -> Seen:
    """One file, a path or a stream, decoded as it is; faulty, too, if it has not the depth that was declared
    (deep: 16 bits a channel)."""
    from PIL import Image

    from udd.data.depth import check_values
    from udd.data.images import check, further_frames, unreadable

    try:
        with Image.open(source) as image:
            check(Path(name), image, deep)
            frames = further_frames(image)
            image.load()
            if deep and image.mode == "I":  # of 32 bits, and read if 16 are enough for its values
                check_values(Path(name), *image.getextrema())  # type: ignore[arg-type]
            levels = levels_of(image, deep)
            return Seen(
                part,
                label,
                name,
                image.size,
                image.mode,
                levels,
                hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest(),
                frames=frames,
            )
    except Exception as error:  # decoders raise many kinds, and all mean the same here
        said = error if isinstance(error, UserError) else unreadable(Path(name), error)
        return Seen(part, label, name, (0, 0), "", (), "", " ".join(str(said).removeprefix(f"{name}: ").split()))


def levels_of(image: Any, deep: bool) -> tuple[Any, ...]:
    """Each channel's least and greatest pixel, where the channels are those that are distilled and Pillow has all of
    their bits; else nothing."""
    if image.mode not in AS_THEY_ARE or (deep and image.mode == "RGB"):
        return ()
    return tuple(channel.getextrema() for channel in image.split())


def of_folder(base: Path, deep: bool = False) -> tuple[list[Seen], dict[str, int]]:
    """All images of a folder, and what else lies there, counted. Raises UserError if it is not
    train/CLASS and test/CLASS (or val/CLASS)."""
    from udd.data.listing import find_tree
    from udd.data.undivided import refuse_undivided

    refuse_undivided(base)
    classes, parts, left_out = find_tree(base, "folder", None)
    asked = [
        (part, classes[label], path.relative_to(base).as_posix(), path)
        for part, found in zip(("train", "test"), parts, strict=True)
        for path, label in zip(*found, strict=True)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda each: look(*each, deep=deep), asked)), dict(left_out)


def of_parquet(base: Path, deep: bool = False) -> tuple[list[Seen], dict[str, int]]:
    """The same of a folder of parquet files. Raises UserError if they are not as the Hub's are."""
    from udd.data.listing import other_parquet, parquet_files
    from udd.data.parquet import class_names, mapped, shard

    parts, seen = [[shard(path) for path in paths] for paths in parquet_files(base)], []
    classes = class_names({}, base, parts)
    for part, found in zip(("train", "test"), parts, strict=True):
        labels = [classes[label] for each in found for label in each.labels.tolist()]
        opened = mapped(
            found, 0, lambda path, data: look("", "", path.relative_to(base).as_posix(), BytesIO(data), deep)
        )
        seen += [each._replace(part=part, label=label) for each, label in zip(opened, labels, strict=True)]
    return seen, dict(other_parquet(base))


def reader(source: Path) -> Callable[[Path, bool], tuple[list[Seen], dict[str, int]]]:
    """What looks through a source of that kind."""
    from udd.data.listing import has_parquet

    return (of_parquet if has_parquet(source) else of_folder) if source.is_dir() else of_npz


def of_npz(path: Path, deep: bool = False) -> tuple[list[Seen], dict[str, int]]:
    """The same of an npz. Raises UserError if it has not the four arrays, or if they do not belong together."""
    from udd.data.arrays import read_npz
    from udd.data.raw import check

    raw = read_npz(
        {"name": path.stem, "kind": "npz", "path": path.name} | ({"depth": 16} if deep else {}), path.parent, 0
    )
    # Of any size: --size fits them
    check(raw._replace(train_images=raw.train_images[..., :1, :1], test_images=raw.test_images[..., :1, :1]))
    seen = []
    for part, images, labels in (
        ("train", raw.train_images, raw.train_labels),
        ("test", raw.test_images, raw.test_labels),
    ):
        mode, size = {1: "L", 3: "RGB"}.get(images.shape[1], str(images.shape[1])), (images.shape[3], images.shape[2])
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
            levels = tuple((int(channel.min()), int(channel.max())) for channel in image)
            seen.append(Seen(part, raw.classes[label], f"{part}[{number}]", size, mode, levels, digest))
    return seen, {}
