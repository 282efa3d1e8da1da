"""Data sets of the Hugging Face Hub: folders of parquet files, the images inside them as files, the classes'
names in their metadata.

Needs pyarrow (pip install 'udd[hub]'), which is imported when such a folder is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from udd.data.depth import deep_pixels
from udd.data.folders import common_side, described, look, workers
from udd.data.images import GREY, Look, decode, opened
from udd.data.listing import other_parquet, parquet_files
from udd.data.raw import Raw, named
from udd.errors import UserError
from udd.files import sha256

IMAGES, LABELS = ("image", "img"), ("label", "labels", "fine_label")  # columns, the first that is there
ROWS = 256  # that are read at a time


class Shard(NamedTuple):
    """One parquet file: its columns of images and labels, its labels, its classes' names where its metadata has
    them."""

    path: Path
    image: str
    labels: np.ndarray
    names: list[str]


class Header(NamedTuple):
    """What an image is before it is decoded: grey or not, (width, height), the least and the
    greatest value of one of 16 bits."""

    grey: bool
    size: tuple[int, int]
    span: tuple[int, int]


def read_parquet(config: dict[str, Any], root: Path, threads: int) -> Raw:
    """Read `train-*.parquet` and `test-*.parquet` (else `validation-*.parquet`) of a folder. Images are grey if
    all of them are, else RGB.

    With `size`, images of any size are fitted to it; without, all must be squares of one size. Raises UserError, naming
    file and row, for whatever is missing or does not decode.
    """
    base = root / (config.get("path") or config["name"])
    parts = [[shard(path) for path in paths] for paths in parquet_files(base)]
    classes = class_names(config, base, parts)
    headers = [list(mapped(part, threads, lambda path, data: header(path, data, "depth" in config))) for part in parts]
    size = config.get("size") or common_side(base, {each.size for part in headers for each in part})
    as_asked = look(config, all(each.grey for part in headers for each in part), size)
    if as_asked.span:
        lows, highs = zip(*(each.span for each in headers[0]), strict=True)
        as_asked = as_asked._replace(span=(min(lows), max(highs)))
    images, notes = [], Counter()
    for part, found in zip(parts, headers, strict=True):
        pixels, seen = decoded(part, len(found), as_asked, threads)
        images.append(pixels)
        notes += seen
    labels = [np.concatenate([each.labels for each in part]) for part in parts]
    files = [entry(each.path, base) for part in parts for each in part]
    return Raw(
        base,
        classes,
        files,
        images[0],
        labels[0],
        images[1],
        labels[1],
        described(as_asked, other_parquet(base), notes),
    )


def arrow(path: Path, module: str = "pyarrow") -> Any:
    """A module of pyarrow. Raises UserError where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise UserError(
            f"{path}: parquet files are read by pyarrow, which is not installed; pip install 'udd[hub]'"
        ) from None


def opened_parquet(path: Path) -> Any:
    """A parquet file, its metadata read. Raises UserError without pyarrow, or if it is none."""
    reader = arrow(path, "pyarrow.parquet")
    try:
        return reader.ParquetFile(path)
    except Exception as error:  # pyarrow raises several kinds on foreign bytes, and all mean the same here
        raise broken(path, error) from None


def broken(path: Path, error: Exception) -> UserError:
    """The one line for a file that pyarrow does not read."""
    return UserError(
        f"{path}: corrupt, cut off or not a parquet file ({' '.join(str(error).split())[:150]}); get it again"
    )


def shard(path: Path) -> Shard:
    """One file without its images. Raises UserError for a column that is missing or of another type."""
    file = opened_parquet(path)
    schema, types = file.schema_arrow, arrow(path).types
    image, label = (column(path, schema.names, wanted) for wanted in (IMAGES, LABELS))
    kind = schema.field(image).type
    inside = kind.field("bytes").type if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not types.is_binary(inside) and not types.is_large_binary(inside):
        raise UserError(
            f"{path}: column {image} is {kind}; expected structs of bytes and path, as the Hub's images are, or the "
            "bytes of image files"
        )
    if not types.is_integer(schema.field(label).type):
        raise UserError(f"{path}: column {label} is {schema.field(label).type}; expected integers 0 to C-1")
    return Shard(path, image, labels_in(file, path, label), names_in(schema.metadata or {}, label))


def labels_in(file: Any, path: Path, label: str) -> np.ndarray:
    """A file's labels, int64. Raises UserError where there are none, or some are missing or hidden."""
    try:
        found = file.read(columns=[label]).column(label)
    except Exception as error:
        raise broken(path, error) from None
    if found.null_count or not len(found):
        raise UserError(
            f"{path}: column {label} has {len(found)} rows, {found.null_count} of them without a label; expected one "
            "an image"
        )
    values = found.to_numpy().astype(np.int64)
    if values.min() < 0:
        raise UserError(
            f"{path}: column {label} holds {values.min()}, which is no class (the Hub hides test labels so); take the "
            "file away"
        )
    return values


def column(path: Path, there: Sequence[str], wanted: Sequence[str]) -> str:
    """The first of the wanted columns that is there. Raises UserError if none is."""
    found = next((name for name in wanted if name in there), None)
    if found is None:
        raise UserError(
            f"{path}: found the columns {', '.join(there) or 'none'}, expected {' or '.join(wanted)}; rename one"
        )
    return found


def names_in(metadata: dict[bytes, bytes], label: str) -> list[str]:
    """The classes' names as the Hub's library writes them into a file; none where it did not."""
    try:
        return [str(name) for name in json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def class_names(config: dict[str, Any], base: Path, parts: Sequence[Sequence[Shard]]) -> list[str]:
    """The classes' names: the configuration's, else the files', else numbers. Raises UserError where files
    differ, or labels have no name."""
    every = [each for part in parts for each in part]
    names = next((each.names for each in every if each.names), [])
    if other := next((each for each in every if each.names and each.names != names), None):
        raise UserError(
            f"{other.path}: its {len(other.names)} classes are not those of the other files in {base}; keep one data "
            "set in a folder"
        )
    largest, count = max(int(each.labels.max()) for each in every), sum(len(each.labels) for each in parts[0])
    # Each class has a training image; and there is no memory for three thousand million classes
    if largest >= (len(names) or count):
        known = f"{len(names)} classes have names" if names else f"there are {count} training images"
        raise UserError(f"{base}: found the label {largest}, but {known}; number the classes 0 to C-1")
    return named(config, names or [str(label) for label in range(largest + 1)])


def rows(each: Shard) -> Iterator[list[tuple[Path, bytes]]]:
    """A file's images, some at a time: of each its place, as errors name it, and its bytes. Raises
    UserError for one without bytes."""
    number = 0
    try:
        for batch in opened_parquet(each.path).iter_batches(ROWS, columns=[each.image]):
            found = []
            for value in batch.column(0).to_pylist():
                data = value.get("bytes") if isinstance(value, dict) else value
                place = Path(f"{each.path}, row {number}")
                if not data:
                    raise UserError(
                        f"{place}: no bytes of an image, expected them in the file; embed the images (datasets: "
                        "embed_external_files)"
                    )
                found.append((place, data))
                number += 1
            yield found
    except UserError:
        raise
    except Exception as error:
        raise broken(each.path, error) from None


def mapped(part: Sequence[Shard], threads: int, ask: Callable[[Path, bytes], Any]) -> Iterator[Any]:
    """What a function says of each image of a part, several at once, in their order."""
    with ThreadPoolExecutor(workers(threads)) as pool:
        for each in part:
            for found in rows(each):
                yield from pool.map(ask, *zip(*found, strict=True))


def header(path: Path, data: bytes, deep: bool) -> Header:
    """An image's header; one of 16 bits is decoded for its range. Raises UserError if it is none, too large or of
    another depth than declared."""
    with opened(path, data, deep) as image:
        grey, size = image.mode in GREY or image.mode.startswith("I"), image.size
        values = deep_pixels(path, data) if deep else np.zeros(1, np.uint8)
    return Header(grey, size, (int(values.min()), int(values.max())))


def decoded(part: Sequence[Shard], count: int, as_asked: Look, threads: int) -> tuple[np.ndarray, Counter[str]]:
    """A part's images uint8 [n, K, H, W], and what was seen of further frames and transparency."""
    side, notes = as_asked.size or 0, Counter()
    images = np.empty((count, 1 if as_asked.grey else 3, side, side), np.uint8)
    for number, (pixels, seen) in enumerate(mapped(part, threads, lambda path, data: decode(path, data, as_asked))):
        images[number] = pixels
        notes += seen
    return images, notes


def entry(path: Path, base: Path) -> dict[str, Any]:
    """A file's line in the manifest, without reading all of it at once."""
    return {"name": path.relative_to(base).as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}
