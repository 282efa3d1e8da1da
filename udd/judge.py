"""`udd evaluate FILE --dataset cifar10`: any set, ours or another's, by one protocol, beside random real images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from udd.command import Parser
from udd.errors import UserError
from udd.files import write_json
from udd.foreign import add_format, as_ours
from udd.reports.names import ARCHITECTURES
from udd.reports.statistics import interval, paired

if TYPE_CHECKING:
    from udd.data import Dataset
    from udd.interface import Accuracy
    from udd.synthetic.sets import SyntheticSet


def add_protocol(made: Parser) -> None:
    """The options of an evaluation."""
    made.add_argument("--networks", type=int, default=5, help="networks, numbered from 0: the same ones for every set")
    made.add_argument("--architecture", default="convnet3", choices=sorted(ARCHITECTURES))
    made.add_argument("--epochs", type=int, default=1000, help="of each network's training")
    made.add_argument("--width", type=int, default=128, help="of the networks; 128 is the published size")
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--threads", type=int, default=0, help="CPU threads; 0 keeps torch's own choice")


def parser() -> Parser:
    """The command line of `udd evaluate FILE`."""
    about = (
        "Train fresh networks on a set and test them: on one of ours (.safetensors), or on another's file or folder (--as). Beside it random real "
        "images, as many as are stored and as many as networks see. Without FILE: a cell of params.yaml (udd evaluate --params params.yaml --help)."
    )
    made = Parser(prog="udd evaluate", description=about)
    made.add_argument("file", type=Path, help="a set: .safetensors, or a file or folder of the format that --as names")
    add_format(made)
    add_protocol(made)
    made.add_argument("--as-published", action="store_true", help="also the best of four check-ups, chosen on test images as others do")
    made.add_argument("--learned-rate", action="store_true", help="train with the rate that was learned with the set (evaluate.rate: own)")
    made.add_argument("--alone", action="store_true", help="without the random images")
    made.add_argument("--out", type=Path, help="also write the result there (JSON)")
    return made


def measured(args: Any, made: SyntheticSet, data: Dataset, **keys: Any) -> Accuracy:
    """The accuracy of a set as the command line asks."""
    import udd

    given = {"epochs": args.epochs, "width": args.width, "checkups": 4 if getattr(args, "as_published", False) else 1} | keys
    return udd.evaluate(made, data, args.networks, args.architecture, args.device, args.threads, **given)


def row(name: str, images: int, found: Accuracy) -> dict[str, Any]:
    """A line of the result: the set, its training images, and its accuracy in % with its 95 % interval."""
    bounds = interval(found.values)
    about = {"set": name, "training images": images, "steps": found.steps, "n": len(found.values)}
    best = sum(found.best) / len(found.best)
    return about | {"accuracy": found.mean, "std": found.std, "interval": bounds, "best": best, "values": found.values, "by_class": found.by_class}


def rows(args: Any, made: SyntheticSet, data: Dataset) -> list[dict[str, Any]]:
    """The set, and random images: as many as are stored, and as many as networks see."""
    import udd
    from udd.synthetic.decoding import every

    if args.learned_rate and made.metadata.get("rate") is None:
        raise UserError(f"--learned-rate: {args.file} holds none")
    keys, seen, classes = ({"rate": "own"} if args.learned_rate else {}), len(every(made)[0]), len(data.classes)
    found = [row(f"{args.file.name}{' (soft labels)' if made.labels.ndim > 1 else ''}", seen, measured(args, made, data, **keys))]
    each = sorted({max(1, round(count / classes)) for count in (len(made.images), seen)})
    for ipc in each if not args.alone else ():
        drawn = udd.distill(data, "random", ipc, smaller_classes=True)
        name = f"random, {ipc} a class" if len(drawn.images) == ipc * classes else f"random, {ipc} a class where it has so many"
        found.append(row(name, len(drawn.images), measured(args, drawn, data)))
    return found


def table(found: Sequence[dict[str, Any]], published: bool) -> str:
    """The lines as text."""
    from tabulate import tabulate

    names = ["set", "training images", "steps", "accuracy, last epoch", "95 %", *(["best of 4 (as published)"] if published else []), "n"]
    cells = []
    for each in found:
        bounds = "" if each["interval"] is None else "{:.1f} to {:.1f}".format(*each["interval"])
        best = [f"{each['best']:.1f}"] if published else []
        accuracy = f"{each['accuracy']:.1f} ± {each['std']:.1f}"
        cells.append([each["set"], each["training images"], each["steps"], accuracy, bounds, *best, each["n"]])
    return tabulate(cells, names, disable_numparse=True)


def run(argv: list[str]) -> None:
    """Judge the set that the command line names; with an option first, evaluate a cell of params.yaml."""
    if not argv or argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        from udd.evaluation.job import run as cell

        return cell(argv)
    args = parser().parse_args(argv)
    data, (made,) = as_ours(args, [args.file])
    found = rows(args, made, data)
    result = {"dataset": data.name, "architecture": args.architecture, "epochs": args.epochs, "width": args.width, "rows": found}
    if args.out:
        write_json(args.out, result)
    print(json.dumps(result) if args.json else table(found, args.as_published))


def difference(args: Any, data: Dataset, sets: Sequence[SyntheticSet]) -> dict[str, Any]:
    """The paired difference of two sets over the same networks."""
    ours, theirs = (measured(args, made, data) for made in sets)
    found = paired({(0, i): value for i, value in enumerate(ours.values)}, {(0, i): value for i, value in enumerate(theirs.values)})
    assert found is not None
    return {"a": ours.values, "b": theirs.values} | found._asdict()
