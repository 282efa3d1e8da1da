"""`udd compare A B --dataset cifar10`: the differences of sets' accuracies over the same networks, with their 95 %
intervals; `udd compare A0 A1 A2 --against B0 B1 B2`: of two methods over sets of several seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from udd.command import Parser, check_out, marked, refuse_else
from udd.device import setup
from udd.errors import UsageError
from udd.files import write_json
from udd.foreign import add_format, as_ours, said
from udd.interim import interim
from udd.judge import Protocol, add_out, add_protocol, check_rate, measured, protocol
from udd.reports.judged import digest
from udd.reports.statistics import as_text, paired

if TYPE_CHECKING:
    from udd.data import Dataset
    from udd.synthetic.sets import SyntheticSet


def parser() -> Parser:
    """The command line."""
    about = (
        "Train the same fresh networks on each set; the paired differences of their test accuracies: the first less "
        "each of the others, or, of as many sets --against, the mean over pairs, whose interval is over distillations."
    )
    made = Parser(prog="udd compare", description=about)
    made.add_argument("sets", type=Path, nargs="+", help="sets: .safetensors, or files or folders of --as's format")
    made.add_argument("--against", type=Path, nargs="+", default=[], metavar="SET", help="as many, of another method")
    add_format(made)
    add_protocol(made)
    made.add_argument("--learned-rate", action="store_true", help="train each with the rate that was learned with it")
    add_out(made)
    return made


def check_counts(sets: Sequence[Path], against: Sequence[Path]) -> None:
    """Raise UsageError unless there are two sets to compare, or as many on both sides."""
    if against and len(sets) != len(against):
        raise UsageError(f"--against: found {len(against)} sets against {len(sets)}; give as many, in the same order")
    if not against and len(sets) < 2:
        raise UsageError(f"sets: found {sets[0]} alone, expected two or more, or as many --against")


def check_pairs(sets: Sequence[Path], against: Sequence[Path], known: Mapping[Path, SyntheticSet]) -> None:
    """Raise UsageError where one set stands for two distillations, whose interval would say too much."""
    for side in (sets, against) if against else ():
        seen: dict[str, Path] = {}
        for path in side:
            if (other := seen.setdefault(digest(known[path]), path)) != path or list(side).count(path) > 1:
                raise UsageError(f"{path}: the same set as {other}, on one side; give sets of several seeds")


def values_of(by: Protocol, data: Dataset, sets: Mapping[Path, SyntheticSet], **keys: Any) -> dict[Path, list[float]]:
    """Accuracies in % of the same networks on each set, by its path."""
    from udd.accuracy import as_distilled

    data = as_distilled(data, *sets.values())  # all alike
    return {path: measured(by, made, data, **keys).values for path, made in sets.items()}


def difference(ours: Sequence[Path], theirs: Sequence[Path], values: Mapping[Path, list[float]]) -> dict[str, Any]:
    """The paired difference of these sets, each less the other of its place."""
    a, b = (
        {(seed, network): value for seed, path in enumerate(side) for network, value in enumerate(values[path])}
        for side in (ours, theirs)
    )
    found = paired(a, b)
    assert found is not None
    return {"a": [str(path) for path in ours], "b": [str(path) for path in theirs]} | found._asdict()


def compared(sets: Sequence[Path], against: Sequence[Path], values: Mapping[Path, list[float]]) -> dict[str, Any]:
    """The sets' accuracies and their differences."""
    sides = [(sets, against)] if against else [(sets[:1], [other]) for other in sets[1:]]
    return {
        "sets": [{"set": str(path), "values": values[path]} for path in (*sets, *against)],
        "differences": [difference(ours, theirs, values) for ours, theirs in sides],
    }


def text(found: Mapping[str, Any]) -> str:
    """The result as lines."""
    lines = [f"{each['set']}: {as_text(each['values'])} % (n = {len(each['values'])})" for each in found["sets"]]
    for each in found["differences"]:
        over = "networks; of other distillations it says nothing" if each["unit"] == "networks" else "pairs of sets"
        bounds = "" if each["low"] is None else f", 95 % interval {each['low']:+.1f} to {each['high']:+.1f} over {over}"
        less = "" if len(found["sets"]) == 2 else f" ({', '.join(each['a'])} less {', '.join(each['b'])})"
        alike = all(found["of"][a] == found["of"][b] for a, b in zip(each["a"], each["b"], strict=True))
        same = ": the same pixels" if alike else ""
        lines.append(f"difference: {each['mean']:+.1f} points{bounds}{less}{same}")
    return "\n".join(lines)


def run(argv: list[str] | None = None) -> None:
    """Compare sets."""
    from udd.interface import fingerprint

    args = parser().parse_args(argv)
    check_counts(args.sets, args.against)
    paths = list(dict.fromkeys([*args.sets, *args.against]))
    if args.out:
        check_out("--out", args.out, *paths)
        refuse_else("--out", args.out, "what udd compare wrote", partial(marked, b'"differences"'))
    kept = interim(args.out)
    setup(args.device, args.threads)  # what can be refused is, before images are read
    data, sets = as_ours(said(vars(args)), paths)
    keys = {"checkpoint": kept} | ({"rate": "own"} if args.learned_rate else {})
    for path, made in zip(paths, sets, strict=True):
        check_rate(str(path), made, args.learned_rate)
    known = dict(zip(paths, sets, strict=True))
    check_pairs(args.sets, args.against, known)
    by = protocol(vars(args))
    found = compared(args.sets, args.against, values_of(by, data, known, **keys))
    found |= {"dataset": data.name, "architecture": by.architecture, "epochs": by.epochs, "width": by.width}
    found |= {"rate": "own" if args.learned_rate else "recipe"}
    found |= {"of": {"data": fingerprint(data)} | {str(path): digest(made) for path, made in known.items()}}
    print(json.dumps(found) if args.json else text(found), flush=True)
    if args.out:  # last: if it cannot be written, what was measured stands above
        write_json(args.out, found)
        kept.done()
