"""The Python interface: sets of others' files and of tensors, and ours in others' formats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from udd.data import Dataset
from udd.errors import UserError
from udd.exporting import check_place
from udd.exporting import wanted as wanted_of
from udd.foreign import Said, of_others, unmirrored, wanted
from udd.given import amount, check_belongs, check_data, check_made, check_path, whole
from udd.synthetic.formats import FORMATS, exported, of_tensors
from udd.synthetic.formats.statistics import CONVENTIONS
from udd.synthetic.sets import SyntheticSet

__all__ = ["as_set", "export", "read"]

Normalised = str | tuple[Sequence[float], Sequence[float]]


@contextmanager
def by_keyword() -> Iterator[None]:
    """What is refused by the command's options is told by the keywords of Python."""
    try:
        yield
    except UserError as error:
        names = {"as": "format", "out": "path"}
        options = r"(?<!\S)--(as|out|factor|normalised|zca|anyway)\b"
        told = re.sub(options, lambda option: names.get(option[1], option[1]), str(error))
        raise type(error)(told) from None


def words(normalised: Normalised | None) -> list[str | list[float]] | None:
    """How images are normalised, as the command takes it. Raises UserError for what is neither a convention nor two
    lists of numbers."""
    if normalised is None:
        return None
    if isinstance(normalised, str) and normalised in (*CONVENTIONS, "none"):
        return [normalised]
    try:
        if isinstance(normalised, str):
            raise ValueError
        return [[float(value) for value in each] for each in normalised]
    except (TypeError, ValueError):
        raise UserError(
            f"normalised: found {normalised!r}, expected 'dc', 'ddranking', 'none', or means and deviations, as "
            "([.5, .5, .5], [.25, .25, .25])"
        ) from None


def given_path(key: str, path: str | Path | None) -> Path:
    """A path. Raises UserError for what is none."""
    check_path(key, path)
    if not path:
        raise UserError(f"{key}: found {path!r}, expected a path as text")
    return Path(path)


def check_format(name: str) -> None:
    """Raise UserError for an unknown format."""
    if not isinstance(name, str) or name not in FORMATS:
        raise UserError(f"format: found {name!r}, expected one of {', '.join(FORMATS)}")


@by_keyword()
def read(
    path: str | Path,
    format: str,
    data: Dataset,
    factor: int | None = None,
    normalised: Normalised | None = None,
    zca: str | Path | None = None,
    anyway: bool = False,
) -> SyntheticSet:
    """A set of this data set from another's file or folder; formats, factor, normalised, zca and anyway are those of
    `udd import` (docs/formats.md). Raises UserError for what is none, of another data set, or in another convention."""
    path = given_path("path", path)
    check_format(format)
    check_data(data)
    parts = None if factor is None else whole("factor", factor, 1)
    statistics = None if zca is None else given_path("zca", zca)
    of = Said(data.name, None, {}, format, parts, words(normalised), statistics, anyway)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    made = of_others(of, data, [path])[path]
    check_belongs(str(path), made, data)
    return made


@by_keyword()
def export(
    made: SyntheticSet,
    path: str | Path,
    format: str,
    normalised: Normalised | None = None,
    zca: str | Path | None = None,
) -> int:
    """Write a set in another's format, decoded where that holds no windows; how many images it holds then. Raises
    UserError where the format cannot hold it, or something else stands there."""
    check_made(made)
    out = given_path("path", path)
    check_format(format)
    check_place(out, format)
    statistics = None if zca is None else given_path("zca", zca)
    by = wanted_of(words(normalised), statistics, made.metadata, made.images.shape[1:])
    return exported(made, out, format, by)


@by_keyword()
def as_set(
    images: Tensor,
    labels: Tensor,
    data: Dataset,
    name: str = "tensors",
    factor: int = 1,
    rate: float | None = None,
    anyway: bool = False,
) -> SyntheticSet:
    """A set of tensors: images [n, K, H, W], floats in [0, 1] or bytes, each a factor x factor grid; labels [n],
    one-hot or soft ones [n, C], logits too; a learned rate. Raises UserError for other shapes and numbers, and, but for
    `anyway`, where the pixels are not like the data set's."""
    check_data(data)
    if not isinstance(name, str) or not name:
        raise UserError(f"name: found {name!r}, expected text")
    of = Said(data.name, None, {}, None, whole("factor", factor, 1), None, None, anyway)
    learned = None if rate is None else amount("rate", rate)
    return unmirrored(of_tensors(name, images, labels, learned, wanted(of, data), anyway), data)
