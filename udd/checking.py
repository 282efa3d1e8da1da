"""`udd data check FOLDER_OR_NPZ`: what one's own images are like, before anything is spent on them."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

from udd.command import Parser, count
from udd.config.short import GRADIENTS
from udd.errors import UserError
from udd.inspection import Seen, reader

SIDES = (16, 28, 32, 48, 64, 96, 128, 224)  # usual ones
BEGIN = 64  # pixels on a side to begin with: a step at 224 takes twelve times as long
IMBALANCE = 10.0  # the largest class, over the smallest, from which it is told
SHOWN = 5  # names in a line


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
    frames = sum(each.frames for each in readable)
    found: dict[str, Any] = {
        "counts": counts,
        "sizes": sizes(readable),
        "modes": dict(Counter(each.mode for each in readable)),
        "left_out": left_out | ({"further frames": frames} if frames else {}),
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
    """A size of BEGIN at most, images a class and the options to begin with; the steps that these make `udd distill`
    take."""
    if not seen or not train:
        return {}
    (wide, high), alike = seen[0].size, len({each.size for each in seen}) == 1
    own, most = wide if alike and wide == high else side(seen), min(ipc, min(train.values()))
    size = min(own, BEGIN)
    sized = [] if alike and wide == high == size else ["--size", str(size)]
    options = ["--ipc", str(most), *sized, *(["--depth", "16"] if deep else [])]
    return {
        "side": own,
        "size": size,
        "ipc": most,
        "options": options,
        "steps": GRADIENTS["outer"] * GRADIENTS["inner"],
    }


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
    told = found["in_train_and_test"] + found["two_classes"]
    if twins := [group for group in found["duplicates"] if group not in told]:
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
        named = f"./{source}" if str(source).startswith("-") else str(source)  # a path, and no option
        lines.append(f"to begin with: udd distill {shlex.quote(named)} {' '.join(begin['options'])}")
        lines.append(f"which takes {begin['steps']:,} steps; --minutes 30 as many as half an hour holds")
        if begin["size"] < begin["side"]:
            longer = f"{(begin['side'] / begin['size']) ** 2:.0f} times as long"
            lines.append(f"at {begin['size']} pixels to begin with; a step at all {begin['side']} takes some {longer}")
    return "\n".join(lines)


def parser() -> Parser:
    """The command line of `udd data check`."""
    made = Parser(
        prog="udd data check",
        description="Look through a folder (train/CLASS/*, test/CLASS/*; or train-*.parquet, test-*.parquet) or an npz "
        "before anything is spent.",
    )
    made.add_argument("source", type=Path, help="the folder or .npz")
    made.add_argument("--ipc", type=count, default=10, help="images a class that you have in mind")
    made.add_argument("--depth", type=int, choices=[16], help="16: the images have 16 bits a channel")
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    return made


def run(argv: list[str]) -> None:
    """Report on one source. Raises UserError, after the report, if it cannot be distilled as it is."""
    args = parser().parse_args(argv)
    if not args.source.exists():
        raise UserError(f"{args.source}: no such folder or file")
    if not args.source.is_dir() and args.source.suffix != ".npz":
        raise UserError(f"{args.source}: a file, expected a folder or an .npz; name the folder that holds the images")
    deep = args.depth == 16
    found = report(*reader(args.source)(args.source, deep), args.ipc, deep)
    print(json.dumps(found) if args.json else text(args.source, found))
    if found["problems"]:
        raise UserError(f"{args.source}: {'; '.join(found['problems'])}")
