"""What a command line says of files in other formats, and these files as sets of ours."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from udd.command import Parser, add_pixels, count, pixels_asked
from udd.data import Dataset
from udd.errors import UsageError, UserError
from udd.files import is_safetensors
from udd.given import check_belongs
from udd.synthetic.formats import FACTOR, FORMATS, Wanted, imported, whitening
from udd.synthetic.formats.content import Normalisation, say
from udd.synthetic.formats.statistics import CONVENTIONS, statistics
from udd.synthetic.sets import SyntheticSet

LEAST = 4  # pixels on a side of a part of a grid: smaller ones, enlarged, show nothing


class Said(NamedTuple):
    """What the options of `add_format` say of a file."""

    dataset: str
    root: str | None
    pixels: dict[str, Any]
    format: str | None
    factor: int | None
    normalised: Sequence[str | list[float]] | None
    zca: Path | None
    anyway: bool


def said(options: Mapping[str, Any]) -> Said:
    """What the options of `add_format` say, among others."""
    named = {name: options[name] for name in Said._fields if name != "pixels"}
    return Said(pixels=pixels_asked(options), **named)


def add_format(made: Parser, needed: bool = False) -> None:
    """The options that say what a file is, and of which data set."""
    made.add_argument(
        "--dataset", required=True, help="cifar10, mnist, ...; a folder, an .npz, or a manifest (.json) of udd data"
    )
    made.add_argument(
        "--root", help="where named data sets lie, or are downloaded to; by default the variable UDD_DATA, else data"
    )
    add_pixels(made)
    made.add_argument(
        "--as",
        dest="format",
        choices=list(FORMATS),
        required=needed,
        help="the format of what is no .safetensors of ours",
    )
    made.add_argument(
        "--factor", type=count, help="of the grid that each image is (idc: 2 by default, as published; 1: none)"
    )
    made.add_argument(
        "--normalised",
        nargs="+",
        type=convention,
        metavar="BY",
        help="dc, ddranking, none, or the channels' means and deviations: M,M,M S,S,S",
    )
    add_whitening(made)
    made.add_argument(
        "--anyway", action="store_true", help="take pixels as they are where they seem to be in another convention"
    )


def add_whitening(made: Parser) -> None:
    """The option of a ZCA's statistics."""
    made.add_argument(
        "--zca",
        type=Path,
        metavar="FILE",
        help="images are whitened, by these statistics: torch.save of a dict, mean and inverse",
    )


def convention(word: str) -> str | list[float]:
    """A convention's name, or numbers with commas."""
    if word in (*CONVENTIONS, "none"):
        return word
    if word == "zca":
        raise ArgumentTypeError(
            "zca: whitening needs statistics, which no such file holds: --zca FILE; or undo it (MTT: "
            "images_zca_best.pt)"
        )
    try:
        return [float(each) for each in word.split(",")]
    except ValueError:
        raise ArgumentTypeError(
            f"found {word}, expected {', '.join(CONVENTIONS)}, none, or numbers with commas"
        ) from None


def normalisation(
    words: Sequence[str | list[float]] | None, zca: Path | None, dataset: str, shape: Sequence[int]
) -> Normalisation | None:
    """How --normalised and --zca say that images [K, H, W] are normalised. Raises UsageError where numbers are
    not two for each channel."""
    channels = shape[0]
    if zca and words:
        raise UsageError("--zca and --normalised: found both, expected the one by which the images were normalised")
    if zca:
        return whitening.read(zca, math.prod(shape))
    if not words:
        return None
    if words[0] == "none":
        return [0.0] * channels, [1.0] * channels
    if isinstance(words[0], str):
        return statistics(words[0], dataset, channels)
    given = [each for each in words if not isinstance(each, str)]
    plain = all(math.isfinite(value) for each in given for value in each)
    if len(given) != 2 or any(len(each) != channels for each in given) or not plain or min(given[1]) <= 0:
        raise UsageError(
            f"--normalised: expected {channels} means and as many deviations above 0, as {','.join(['.5'] * channels)} "
            f"{','.join(['.25'] * channels)}"
        )
    return given[0], given[1]


def wanted(of: Said, data: Dataset) -> Wanted:
    """What a file should be, as the options and the data set say. Raises UsageError where a grid's parts would be too
    small to train on."""
    shape = tuple(data.train_images.shape[1:])
    factor = of.factor or (FACTOR.get(of.format, 1) if of.format else 1)
    most = max(1, shape[-1] // LEAST)
    if factor > most:
        raise UsageError(
            f"--factor: found {factor}, expected 1 to {most}: of the {shape[-1]} pixels of {data.name} each part of "
            f"the grid has at least {LEAST}"
        )
    by = normalisation(of.normalised, of.zca, data.name, shape)
    if of.format and of.factor is None and factor > 1:
        say(f"images are taken for {factor} x {factor} grids, as published; --factor 1 if they are none")
    return Wanted(data.name, list(data.classes), shape, list(data.mean), list(data.std), factor, by)


def of_others(of: Said, data: Dataset, paths: Sequence[Path]) -> dict[Path, SyntheticSet]:
    """Files of another format as sets, by their paths."""
    if not paths:
        return {}
    by = wanted(of, data)
    return {path: unmirrored(imported(path, str(of.format), by, of.anyway), data) for path in paths}


def unmirrored(made: SyntheticSet, data: Dataset) -> SyntheticSet:
    """A set that says so where nothing may mirror the images of its data set."""
    return made if data.flip else made._replace(metadata=made.metadata | {"flip": False})


def is_ours(path: Path, format: str | None) -> bool:
    """Whether a file is a set of ours by what it holds, or, where it can be read as nothing else, by its name."""
    return path.is_file() and is_safetensors(path) or path.suffix == ".safetensors" and format is None


def as_ours(of: Said, paths: Sequence[Path]) -> tuple[Dataset, list[SyntheticSet]]:
    """The data set that the options name, and sets of it. Raises UserError for what is missing, or of another data
    set."""
    import udd

    ours = [path for path in paths if is_ours(path, of.format)]
    early = {path: udd.load(path) for path in ours}  # a wrong file is told before data are read
    for path in paths:
        if path not in early and not of.format:
            raise UsageError(f"{path}: not a .safetensors; say its format: --as {', '.join(FORMATS)}")
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    data = udd.dataset(of.dataset, root=of.root, **of.pixels)
    known = early | of_others(of, data, [path for path in paths if path not in early])
    sets = [known[path] for path in paths]
    for path, made in zip(paths, sets, strict=True):
        check_belongs(str(path), made, data)
    return data, sets
