"""`udd split SOURCE`: an npz of a data set's training images alone, some of which stand for test
images, to choose anything on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from udd.command import Parser, add_pixels, check_out, count, pixels_asked
from udd.command import whole as whole_number
from udd.config import params, plan
from udd.data import TENSORS, Dataset
from udd.data.raw import Raw, check
from udd.data.undivided import undivided as lacks_tests
from udd.errors import UserError
from udd.files import atomic_path


def parts(count: int, test: int, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Which of `count` images train, [count - test], and which test, [test], each in their order: the last ones test
    or, by a seed, drawn ones."""
    order = np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)
    return np.sort(order[: count - test]), np.sort(order[count - test :])


def split(raw: Raw, test: int, seed: int | None) -> Raw:
    """A data set of the training images alone, `test` of which stand for its test images. Raises UserError unless
    each class is in both parts."""
    images, labels = raw.train_images, raw.train_labels
    if not 0 < test < len(images):
        raise UserError(
            f"--test: found {test}, expected 1 to {len(images) - 1}, fewer than the {len(images)} training images of "
            f"{raw.source}"
        )
    train, held = parts(len(images), test, seed)
    made = raw._replace(
        train_images=images[train], train_labels=labels[train], test_images=images[held], test_labels=labels[held]
    )
    try:
        check(made)
    except UserError as error:
        hint = "draw others, or more of them" if seed is not None else "where images are sorted by class, draw them"
        raise UserError(f"{error}; {hint}: --seed {0 if seed is None else seed + 1}") from None
    return made


def as_npz(raw: Raw) -> dict[str, np.ndarray]:
    """The arrays of an npz: images [n, K, H, W] as [n, H, W] where they are grey, else [n, H, W, K]; labels
    as narrow as they may be."""
    narrow = np.min_scalar_type(len(raw.classes) - 1)
    found = {}
    for part in ("train", "test"):
        images = getattr(raw, f"{part}_images")
        found[f"{part}_images"] = np.ascontiguousarray(
            images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)
        )
        found[f"{part}_labels"] = getattr(raw, f"{part}_labels").astype(narrow)
    return found


def whole(source: str, root: str | None, keys: dict[str, Any]) -> Dataset:
    """The data set of a source; of a folder without test images, all of which are training images, as well."""
    import udd
    from udd.sources import undivided

    return undivided(Path(source), **keys) if lacks_tests(Path(source)) else udd.dataset(source, root=root, **keys)


def said_of(name: str) -> dict[str, Any]:
    """What params.yaml says of a data set beside where its pixels come from: no flips of digits, rates, distances."""
    found = params.load([params.DEFAULTS])["datasets"].get(name, {})
    return {key: value for key, value in found.items() if key not in plan.DATA_KEYS}


def declared(out: Path, classes: list[str], said: dict[str, Any]) -> str:
    """The split as an entry of params.yaml's `datasets`, with what is said of its source."""
    entry = f"kind: npz, path: {json.dumps(out.name)}, classes: {json.dumps(classes, ensure_ascii=False)}"
    rest = yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=10**6).strip()[1:-1]
    return f"{{{entry}{', ' if rest else ''}{rest}}}"


def of_ones_own(source: str) -> bool:
    """Whether a source is a folder or a file, whose classes nothing but its split names."""
    return Path(source).exists() or Path(source).suffix == ".npz"


def named(classes: list[str]) -> bool:
    """Whether classes have names of their own, and not their numbers."""
    return classes != [str(number) for number in range(len(classes))]


def parser() -> Parser:
    """The command line of `udd split`."""
    made = Parser(
        prog="udd split",
        description="Write an npz of a data set's training images alone, some of which stand for its test images: to "
        "choose anything on, or because it has none (a folder of class folders).",
    )
    made.add_argument("source", help="a data set's name (cifar10, mnist, ...), a folder or an .npz")
    made.add_argument(
        "--test", type=count, required=True, help="how many training images are to be test images: the last ones"
    )
    made.add_argument("--seed", type=whole_number, help="draw them in place of the last ones")
    made.add_argument(
        "--root", help="where named data sets lie, or are downloaded to; by default the variable UDD_DATA, else data"
    )
    add_pixels(made)
    made.add_argument("--out", type=Path, required=True, help="the .npz to write")
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    return made


def run(argv: list[str] | None = None) -> None:
    """Write one split."""
    args = parser().parse_args(argv)
    check_out("--out", args.out, Path(args.source), ending=".npz")
    data = whole(args.source, args.root, pixels_asked(vars(args)))
    made = split(
        Raw(Path(args.source), data.classes, [], *(getattr(data, part).numpy() for part in TENSORS)),
        args.test,
        args.seed,
    )
    said = said_of(data.like or data.name)
    # So that `udd distill FILE.npz` knows; where params.yaml says nothing of the source, nothing is noted
    notes = {"classes": np.array(made.classes)} if of_ones_own(args.source) and named(made.classes) else {}
    notes |= ({"like": np.array(data.like or data.name)} if said else {}) | (
        {} if said.get("flip", True) and data.flip else {"flip": np.array(False)}
    )
    said |= {} if data.flip else {"flip": False}
    with atomic_path(args.out) as path, open(path, "wb") as stream:
        np.savez(stream, **as_npz(made), **notes)  # type: ignore[arg-type]  # no array is called `allow_pickle`
    counts = {"train": len(made.train_labels), "test": len(made.test_labels)}
    entry = declared(args.out, made.classes, said)
    line = (
        f"{args.out}: {counts['train']} training and {counts['test']} test images, of the training images of "
        f"{data.name}"
    )
    print(
        json.dumps({"file": str(args.out), **counts, "declared": entry})
        if args.json
        else f"{line}\nin params.yaml: {entry}"
    )
