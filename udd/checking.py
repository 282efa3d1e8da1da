"""`udd data check FOLDER_OR_NPZ`: what one's own images are like, before anything is spent on them."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from udd.command import Parser
from udd.config.short import GRADIENTS
from udd.errors import UserError

SIDES = (16, 28, 32, 48, 64, 96, 128, 224)  # usual ones
IMBALANCE = 10.0  # the largest class, over the smallest, from which it is told
SHOWN = 5  # names in a line
AS_THEY_ARE = {"L", "RGB", "I;16"}  # modes whose channels are those that are distilled


class Seen(NamedTuple):
    """One image: its part (train, test), class, name, (width, height), mode, each channel's least and greatest pixel,
    and the digest of its pixels; or why it cannot be read."""

    part: str
    label: str
    name: str
    size: tuple[int, int]
    mode: str
    levels: tuple[Any, ...]
    digest: str
    fault: str = ""


def look(part: str, label: str, name: str, source: Any, deep: bool = False) -> Seen:
    """One file, a path or a stream, decoded as it is; faulty, too, if it has not the depth that was declared
    (deep: 16 bits a channel)."""
    from PIL import Image

    from udd.data.images import check, unreadable

    try:
        with Image.open(source) as image:
            check(Path(name), image, deep)
            image.load()
            levels = levels_of(image, deep)
            return Seen(
                part,
                label,
                name,
                image.size,
                image.mode,
                levels,
                hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest(),
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
    train/CLASS and test/CLASS."""
    from udd.data.listing import find_tree

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


def groups(seen: Iterable[Seen], key: str) -> dict[Hashable, list[Seen]]:
    """The images by one of their properties."""
    found: dict[Hashable, list[Seen]] = defaultdict(list)
    for each in seen:
        found[getattr(each, key)].append(each)
    return found


def side(seen: Sequence[Seen]) -> int:
    """The side to distil at: the largest usual one that three quarters of the images have, else the smallest usual
    one."""
    short = sorted(min(each.size) for each in seen)
    common = short[len(short) // 4]
    return max((each for each in SIDES if each <= common), default=SIDES[0])


def report(seen: Sequence[Seen], left_out: dict[str, int], ipc: int, deep: bool = False) -> dict[str, Any]:
    """What there is, what is wrong (`problems`: it cannot be distilled so), and what is worth knowing (`remarks`)."""
    readable = [each for each in seen if not each.fault]
    counts = {
        part: dict(sorted(Counter(each.label for each in readable if each.part == part).items()))
        for part in ("train", "test")
    }
    twins = [group for group in groups(readable, "digest").values() if len(group) > 1]
    leaked = [group for group in twins if len({each.part for each in group}) > 1]
    found: dict[str, Any] = {
        "counts": counts,
        "sizes": sizes(readable),
        "modes": dict(Counter(each.mode for each in readable)),
        "left_out": left_out,
    }
    found["unreadable"] = {each.name: each.fault for each in seen if each.fault}
    found["duplicates"] = [[each.name for each in group] for group in twins]
    found["in_train_and_test"] = [[each.name for each in group] for group in leaked]
    found["two_classes"] = [[each.name for each in group] for group in twins if len({each.label for each in group}) > 1]
    found["constant"] = constant([each for each in readable if each.part == "train"])
    return found | {"suggested": suggested(readable, counts["train"], ipc, deep)} | verdict(found, counts, ipc)


def constant(seen: Sequence[Seen]) -> list[int]:
    """The channels, counted from 1, that have one value in all of these images: they cannot be normalised. Nothing
    where images differ in kind."""
    if len({each.mode for each in seen}) != 1:
        return []
    channels = zip(*(each.levels for each in seen), strict=True)
    return [
        number for number, levels in enumerate(channels, 1) if len({value for each in levels for value in each}) == 1
    ]


def sizes(seen: Sequence[Seen]) -> dict[str, Any]:
    """The least and the greatest size, and how many there are."""
    different = {each.size for each in seen}
    sides = [value for each in different for value in each]
    return {"different": len(different), "smallest side": min(sides, default=0), "largest side": max(sides, default=0)}


def suggested(seen: Sequence[Seen], train: dict[str, int], ipc: int, deep: bool) -> dict[str, Any]:
    """A size, images a class and the options to begin with; the steps that these make `udd distill` take."""
    if not seen or not train:
        return {}
    (wide, high), alike = seen[0].size, len({each.size for each in seen}) == 1
    size, most = wide if alike and wide == high else side(seen), min(ipc, min(train.values()))
    sized = [] if alike and wide == high else ["--size", str(size)]
    options = ["--ipc", str(most), *sized, *(["--depth", "16"] if deep else [])]
    return {"size": size, "ipc": most, "options": options, "steps": GRADIENTS["outer"] * GRADIENTS["inner"]}


def verdict(found: dict[str, Any], counts: dict[str, dict[str, int]], ipc: int) -> dict[str, list[str]]:
    """Problems and remarks in words."""
    train, test = counts["train"], counts["test"]
    problems = [
        f"{len(of)} images cannot be read: {names(of)} ({fault})" for fault, of in by_fault(found["unreadable"]).items()
    ]
    problems += (
        ["there is one class, at least two are needed"] if len(train.keys() | test.keys()) == 1 and not problems else []
    )
    problems += [
        f"class {name} has no {part} image"
        for part, of in counts.items()
        for name in sorted(train.keys() | test.keys())
        if name not in of
    ]
    problems += [
        f"channel {number} of the training images is constant, so it cannot be normalised"
        for number in found["constant"]
    ]
    remarks = []
    if found["in_train_and_test"]:
        remarks.append(
            f"{len(found['in_train_and_test'])} images stand in train and test alike, so accuracy is flattered: "
            f"{names(found['in_train_and_test'])}"
        )
    if found["two_classes"]:
        remarks.append(f"{len(found['two_classes'])} images stand in two classes: {names(found['two_classes'])}")
    if twins := [group for group in found["duplicates"] if group not in found["in_train_and_test"]]:
        remarks.append(f"{len(twins)} images are there more than once: {names(twins)}")
    if train and max(train.values()) > IMBALANCE * min(train.values()):
        remarks.append(
            f"the largest class has {max(train.values())} training images, the smallest {min(train.values())}; "
            "accuracy counts every test image alike"
        )
    if small := [name for name, count in train.items() if count < ipc]:
        remarks.append(
            f"fewer than {ipc} training images: class {', '.join(small[:SHOWN])}; lower --ipc to "
            f"{min(train.values())}, or --smaller-classes"
        )
    if found["left_out"]:
        remarks.append(f"not read: {', '.join(f'{count} {what}' for what, count in found['left_out'].items())}")
    return {"problems": problems, "remarks": remarks}


def by_fault(unreadable: dict[str, str]) -> dict[str, list[str]]:
    """The names of the images that have the same fault."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, fault in unreadable.items():
        found[fault].append(name)
    return found


def names(what: Iterable[Any]) -> str:
    """A few of them."""
    each = [one if isinstance(one, str) else " = ".join(one[:2]) for one in what]
    return ", ".join(each[:SHOWN]) + (f" and {len(each) - SHOWN} more" if len(each) > SHOWN else "")


def text(source: Path, found: dict[str, Any]) -> str:
    """The report in lines."""
    from tabulate import tabulate

    counts, size = found["counts"], found["sizes"]
    rows = [
        [name, counts["train"].get(name, 0), counts["test"].get(name, 0)]
        for name in sorted(counts["train"].keys() | counts["test"].keys())
    ]
    modes = ", ".join(f"{count} {mode}" for mode, count in found["modes"].items())
    lines = [
        tabulate(rows, ["class", "train", "test"]),
        f"sides: {size['smallest side']} to {size['largest side']} pixels; modes: {modes}",
    ]
    lines += [f"problem: {line}" for line in found["problems"]] + [f"remark: {line}" for line in found["remarks"]]
    if found["suggested"] and not found["problems"]:
        begin = found["suggested"]
        lines.append(f"to begin with: udd distill {shlex.quote(str(source))} {' '.join(begin['options'])}")
        lines.append(f"which takes {begin['steps']:,} steps; --minutes 30 as many as half an hour holds")
    return "\n".join(lines)


def parser() -> Parser:
    """The command line of `udd data check`."""
    made = Parser(
        prog="udd data check",
        description="Look through a folder (train/CLASS/*, test/CLASS/*; or train-*.parquet, test-*.parquet) or an npz "
        "before anything is spent.",
    )
    made.add_argument("source", type=Path, help="the folder or .npz")
    made.add_argument("--ipc", type=int, default=10, help="images a class that you have in mind")
    made.add_argument("--depth", type=int, choices=[16], help="16: the images have 16 bits a channel")
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    return made


def run(argv: list[str]) -> None:
    """Report on one source. Raises UserError, after the report, if it cannot be distilled as it is."""
    args = parser().parse_args(argv)
    if not args.source.exists():
        raise UserError(f"{args.source}: no such folder or file")
    deep = args.depth == 16
    found = report(*reader(args.source)(args.source, deep), args.ipc, deep)
    print(json.dumps(found) if args.json else text(args.source, found))
    if found["problems"]:
        raise UserError(f"{args.source}: {'; '.join(found['problems'])}")
