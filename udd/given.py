"""What is given from Python, looked through before any work: whole numbers, data sets, sets, files; each told in one
line."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch

from udd.command import marked, refuse_else
from udd.data import Dataset
from udd.data.sources import OFFICIAL
from udd.errors import UserError
from udd.files import check_writable
from udd.runs.progress import BEFORE
from udd.synthetic.formats.content import no_pixels
from udd.synthetic.sets import SyntheticSet, fault

SET = b'"__metadata__":{"udd":'  # by which a set of ours is known, among its first bytes, and
CURVE = ",".join(BEFORE).encode()  # a loss curve


def plain(value: Any) -> Any:
    """A value without NumPy's types, which loops over np.arange and the like give, and without tuples: as params.yaml
    would have it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or NumPy's; True and 1.0 are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole(key: str, value: Any, least: int) -> int:
    """A whole number of at least `least`. Raises UserError, naming the key, for anything else."""
    if not is_whole(value) or value < least:
        raise UserError(f"{key}: found {reprlib.repr(value)}, expected a whole number, {least} or more")
    return int(value)


def amount(key: str, value: Any) -> float:
    """A number above 0. Raises UserError, naming the key, for anything else: text, 0, nan, no end."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) < math.inf:
        raise UserError(f"{key}: found {reprlib.repr(value)}, expected a number above 0")
    return float(value)


def names(classes: Any) -> list[str] | None:
    """The classes' names, None where none are given. Raises UserError unless they are text, one a class."""
    if classes is None or isinstance(classes, list | tuple) and all(isinstance(each, str) for each in classes):
        return None if classes is None else list(classes)
    raise UserError(f"classes: found {reprlib.repr(classes)}, expected a list of names as text, as ['ant', 'bee']")


def kind(value: Any) -> str:
    """What a value is, in words."""
    known = {Dataset: "a data set", SyntheticSet: "a synthetic set", type(None): "None"}
    return known.get(type(value)) or (
        f"'{value}'" if isinstance(value, str | Path) else f"a value of type {type(value).__name__}"
    )


def check_data(data: Any) -> None:
    """Raise UserError unless this is a data set."""
    if isinstance(data, Dataset):
        return
    what = f"udd.dataset({str(data)!r})" if isinstance(data, str | Path) else "what udd.dataset returns"
    raise UserError(f"data: found {kind(data)}, expected a data set; give {what}")


def check_made(made: Any) -> None:
    """Raise UserError unless this is a synthetic set."""
    if isinstance(made, SyntheticSet):
        check_whole(made)
        return check_pixels("made", made)
    what = f"udd.load({str(made)!r})" if isinstance(made, str | Path) else "what udd.distill or udd.load returns"
    raise UserError(f"made: found {kind(made)}, expected a synthetic set; give {what}")


def check_whole(made: SyntheticSet) -> None:
    """Raise UserError unless a set that was put together by hand has all that a set has."""
    metadata, tensors = made.metadata, (made.images, made.labels, made.windows)
    if not all(isinstance(each, torch.Tensor) for each in tensors) or not isinstance(metadata, dict):
        wrong = "images, labels and windows are tensors, metadata a dict, but here they are not"
    elif not (wrong := fault(made)):
        config = metadata["config"]
        lacking = [
            key for key in ("variant", "ipc", "seed", "dataset") if not isinstance(config, dict) or key not in config
        ]
        wrong = f"its metadata's config has no {lacking[0]}" if lacking else ""
    if wrong:
        raise UserError(f"made: {wrong}; udd.as_set(images, labels, data) makes a set of tensors")


def check_path(key: str, path: str | Path | None) -> None:
    """Raise UserError for what is no path; None is none that was given."""
    if path is not None and not isinstance(path, str | os.PathLike):
        raise UserError(f"{key}: found {kind(path)}, expected a path as text")


def check_file(key: str, path: str | Path | None) -> None:
    """Raise UserError where a folder, or no path at all, is given in place of a file."""
    check_path(key, path)
    if path and Path(path).is_dir():
        raise UserError(f"{key}: {path} is a folder, expected a file; name a file in it")


def check_places(
    checkpoint: str | Path | None, cache: str | Path | None, curve: str | Path | None, out: str | Path | None
) -> None:
    """Raise UserError, before any work, for what is no path, for a folder in place of a file, and for where nothing can
    be written."""
    check_path("cache", cache)
    named: dict[Path, str] = {}
    for key, path in {"checkpoint": checkpoint, "curve": curve, "out": out}.items():
        check_file(key, path)
        if not path:
            continue
        check_writable(Path(path).parent)
        if (other := named.setdefault(Path(path).resolve(), key)) != key:
            raise UserError(f"{key}: found {path}, which is also the file of `{other}`; give two names")
    if out and Path(out).suffix != ".safetensors":
        raise UserError(f"out: found {out}, expected a name that ends in .safetensors")
    if curve:
        refuse_else("curve", Path(curve), "a loss curve", partial(marked, CURVE))
    if out:
        refuse_else("out", Path(out), "a set", partial(marked, SET))


def check_belongs(where: str, made: SyntheticSet, data: Dataset) -> None:
    """Raise UserError, naming `where` the set is from, unless it has the data set's classes, in their order, and its
    images' shape [K, H, W]. Names of data sets may differ: a set of a split is for the whole one as well; so may
    classes that one of the two calls by their numbers alone, as an npz does."""
    check_same(where, made, data.name, data.like, data.classes)
    check_shape(where, made, data.name, list(data.train_images.shape[1:]))


def check_same(where: str, made: SyntheticSet, name: str, like: str | None, classes: Sequence[str]) -> None:
    """Raise UserError unless a set is of a data set of this name, which is a part of `like`, and of these classes."""
    of = (made.metadata.get("like") or made.metadata["dataset"], like or name)
    if set(of) <= OFFICIAL.keys() and of[0] != of[1]:  # whose classes may be called alike, by numbers
        what = "they are two data sets"
    elif found := unlike(made.metadata["classes"], classes):
        what = f"its {found}"
    else:
        return
    raise UserError(
        f"{where}: a set of {made.metadata['dataset']}, not of {name}: {what}; name its data set, classes in "
        "their order"
    )


def check_pixels(where: str, made: SyntheticSet) -> None:
    """Raise UserError unless a set's pixels are float32, finite and, but for what was imported as it is (--anyway),
    near [0, 1]."""
    anyway = (made.metadata.get("provenance") or {}).get("imported", {}).get("anyway", False)
    if wrong := no_pixels(made.images, anyway):
        raise UserError(f"{where}: {wrong}")


def check_shape(where: str, made: SyntheticSet, name: str, expected: list[int]) -> None:
    """Raise UserError unless a set's images have the shape [K, H, W] of those of the data set."""
    found = list(made.images.shape[1:])
    if found == expected:
        return
    advice = f"read it at that size: --size {found[1]}" if found[0] == expected[0] else "name its data set"
    raise UserError(f"{where}: its images are {found} [K, H, W], those of {name} {expected}; {advice}")


def numbered(classes: Sequence[str]) -> bool:
    """Whether classes are called by their numbers alone."""
    return list(classes) == [str(label) for label in range(len(classes))]


def taken_by_number(made: SyntheticSet, data: Dataset, inputs: str) -> bool:
    """Whether nothing but the numbers of classes says that a set is of this data set, whose fingerprint is `inputs`: no
    name, no data set that both are part of, no origin."""
    about = made.metadata
    tied = (
        about["dataset"] == data.name
        or (about.get("like") or about["dataset"]) == (data.like or data.name)
        or about.get("provenance", {}).get("inputs") == inputs
    )
    return not tied and (numbered(about["classes"]) or numbered(data.classes))


def unlike(found: Sequence[str], expected: Sequence[str]) -> str:
    """The first difference of two lists of classes, in words; empty if there is none."""
    if len(found) != len(expected):
        return f"{len(found)} classes are not the {len(expected)} expected"
    if (numbered(found) or numbered(expected)) and set(found) != set(expected):
        return ""  # but where both are numbers, their orders may differ: folders sort as text, 0, 1, 10, 2
    pairs = enumerate(zip(found, expected, strict=True))
    return next((f"class {at} is '{one}', expected '{other}'" for at, (one, other) in pairs if one != other), "")
