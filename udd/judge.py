"""`udd evaluate FILE --dataset cifar10`: any set, ours or another's, by one protocol, beside random real images."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from udd.command import Parser, check_out, marked, names_cell, refuse_else, whole
from udd.command import count as number
from udd.device import setup
from udd.errors import UserError
from udd.files import with_name, write_json
from udd.foreign import add_format, as_ours, said
from udd.given import taken_by_number
from udd.interim import interim
from udd.reports.names import ARCHITECTURES
from udd.reports.statistics import as_text, interval

if TYPE_CHECKING:
    from udd.accuracy import Accuracy
    from udd.data import Dataset
    from udd.synthetic.sets import SyntheticSet


CELL = {"--config", "--params", "--manifest", "--variant", "--ipc", "--protocol"}  # options of a cell alone


class Protocol(NamedTuple):
    """What the options of `add_protocol` say of an evaluation."""

    networks: int
    architecture: str
    epochs: int
    width: int
    device: str
    threads: int


def protocol(options: Mapping[str, Any]) -> Protocol:
    """What the options of `add_protocol` say, among others."""
    return Protocol(**{name: options[name] for name in Protocol._fields})


def add_protocol(made: Parser) -> None:
    """The options of an evaluation."""
    made.add_argument(
        "--networks", type=number, default=5, help="networks, numbered from 0: the same ones for every set"
    )
    made.add_argument("--architecture", default="convnet3", choices=sorted(ARCHITECTURES), help="of the networks")
    made.add_argument("--epochs", type=number, default=1000, help="of each network's training")
    made.add_argument("--width", type=number, default=128, help="of the networks; 128 is the published size")
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--threads", type=whole, default=0, help="CPU threads; 0 keeps torch's own choice")


def parser() -> Parser:
    """The command line of `udd evaluate FILE`."""
    about = (
        "Train fresh networks on a set and test them: on one of ours (.safetensors), or on another's file or folder "
        "(--as). Beside it random real "
        "images, as many as are stored and as many as networks see. Without FILE: a cell of params.yaml (udd evaluate "
        "--params params.yaml --help)."
    )
    made = Parser(prog="udd evaluate", description=about)
    made.add_argument("file", type=Path, help="a set: .safetensors, or a file or folder of the format that --as names")
    add_format(made)
    add_protocol(made)
    made.add_argument(
        "--as-published",
        action="store_true",
        help="also the best of four check-ups, chosen on test images as others do",
    )
    made.add_argument(
        "--learned-rate",
        action="store_true",
        help="train with the rate that was learned with the set (evaluate.rate: own)",
    )
    made.add_argument("--alone", action="store_true", help="without the random images")
    add_out(made)
    return made


def add_out(made: Parser) -> None:
    """The option of a file for the result."""
    made.add_argument(
        "--out",
        type=Path,
        help="also write the result there (JSON); networks are kept in FILE.part as they end, so that the same command "
        "goes on where it was cut",
    )


def measured(by: Protocol, made: SyntheticSet, data: Dataset, **keys: Any) -> Accuracy:
    """The accuracy of a set, by networks that do not depend on the set's own seed. keys: of params.yaml's section
    `evaluate`, and `checkpoint`."""
    import udd

    made = made._replace(metadata=made.metadata | {"config": made.metadata["config"] | {"seed": 0}})
    given = {"epochs": by.epochs, "width": by.width, "checkups": 1} | keys
    return udd.evaluate(made, data, by.networks, by.architecture, by.device, by.threads, **given)


def row(name: str, images: int, found: Accuracy) -> dict[str, Any]:
    """A line of the result: the set, its training images, and its accuracy in % with its 95 % interval."""
    bounds = interval(found.values)
    about = {"set": name, "training images": images, "steps": found.steps, "n": len(found.values)}
    best = sum(found.best) / len(found.best)
    return about | {
        "accuracy": found.mean,
        "std": found.std,
        "interval": bounds,
        "best": best,
        "values": found.values,
        "by_class": found.by_class,
    }


def check_rate(name: str, made: SyntheticSet, learned: bool) -> None:
    """Raise UserError where a set should be trained with the rate that was learned with it, and holds none."""
    if learned and made.metadata.get("rate") is None:
        raise UserError(f"--learned-rate: {name} holds none")


def of_set(by: Protocol, name: str, made: SyntheticSet, data: Dataset, learned: bool, **keys: Any) -> dict[str, Any]:
    """The set's line. learned: train with the rate that was learned with the set. Raises UserError if it holds none."""
    from udd.synthetic.decoding import every

    check_rate(name, made, learned)
    keys |= {"rate": "own"} if learned else {}
    return row(
        f"{name}{' (soft labels)' if made.labels.ndim > 1 else ''}",
        len(every(made)[0]),
        measured(by, made, data, **keys),
    )


def of_random(by: Protocol, data: Dataset, counts: Sequence[int], **keys: Any) -> list[dict[str, Any]]:
    """Lines of random real images, about as many as each of `counts`."""
    import udd

    found, classes = [], len(data.classes)
    for ipc in sorted({max(1, round(count / classes)) for count in counts}):
        drawn = udd.distill(data, "random", ipc, smaller_classes=True, device=by.device, threads=by.threads)
        name = (
            f"random, {ipc} a class"
            if len(drawn.images) == ipc * classes
            else f"random, {ipc} a class where it has so many"
        )
        found.append(row(name, len(drawn.images), measured(by, drawn, data, **keys)))
    return found


def table(found: Sequence[dict[str, Any]], published: bool) -> str:
    """The lines as text."""
    from tabulate import tabulate

    names = [
        "set",
        "training images",
        "steps",
        "accuracy, last epoch",
        "95 %",
        *(["best of 4 (as published)"] if published else []),
        "n",
    ]
    cells = []
    for each in found:
        bounds = "" if each["interval"] is None else "{:.1f} to {:.1f}".format(*each["interval"])
        best = [f"{each['best']:.1f}"] if published else []
        cells.append(
            [each["set"], each["training images"], each["steps"], as_text(each["values"]), bounds, *best, each["n"]]
        )
    return tabulate(cells, names, disable_numparse=True)


def run(argv: list[str]) -> None:
    """Judge the set that the command line names, or evaluate a cell of params.yaml."""
    if names_cell(argv, CELL):
        from udd.evaluation.records import run as cell

        return cell(argv)
    from udd.accuracy import as_distilled
    from udd.interface import fingerprint
    from udd.reports.judged import digest

    args = parser().parse_args(argv)
    if args.out:
        check_out("--out", args.out, args.file)
        refuse_else("--out", args.out, "what udd evaluate wrote", partial(marked, b'"rows"'))
    kept = interim(args.out)
    setup(args.device, args.threads)  # what can be refused is, before images are read
    data, (made,) = as_ours(said(vars(args)), [args.file])
    note_numbers(made, data)
    of = {"set": digest(made), "data": fingerprint(data)}
    data = as_distilled(data, made)  # random images as well
    by, keys = protocol(vars(args)), {"checkups": 4 if args.as_published else 1, "checkpoint": kept}
    found = [of_set(by, with_name(args.file).name, made, data, args.learned_rate, **keys)]
    if not args.alone:  # as many as are stored, and as many as networks see
        found += of_random(by, data, [len(made.images), found[0]["training images"]], **keys)
    result = {
        "of": of,
        "rate": "own" if args.learned_rate else "recipe",
        "dataset": data.name,
        "architecture": args.architecture,
        "epochs": args.epochs,
        "width": args.width,
        "rows": found,
    }
    print(json.dumps(result) if args.json else table(found, args.as_published), flush=True)
    if args.out:  # last: if it cannot be written, what was measured stands above
        write_json(args.out, result)
        kept.done()


def note_numbers(made: SyntheticSet, data: Dataset) -> None:
    """Say where a set is evaluated on a data set that only its classes' numbers tie it to."""
    from udd.interface import fingerprint

    if taken_by_number(made, data, fingerprint(data)):
        what = f"a set of {made.metadata['dataset']}, evaluated on {data.name}"
        print(f"note: {what}; its classes are taken by number", file=sys.stderr)
