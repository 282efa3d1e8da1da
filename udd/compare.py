"""`udd compare A B --dataset cifar10`: the difference of two sets' accuracies over the same
networks, with its 95 % interval."""

from __future__ import annotations

import json
from pathlib import Path

from udd.command import Parser
from udd.foreign import add_format, as_ours, said
from udd.judge import add_protocol, difference, protocol
from udd.reports.statistics import as_text


def parser() -> Parser:
    """The command line."""
    about = "Train the same fresh networks on two sets; the paired difference A - B of their test accuracies."
    made = Parser(prog="udd compare", description=about)
    made.add_argument("a", type=Path, help="a set: .safetensors, or a file or folder of the format that --as names")
    made.add_argument("b", type=Path, help="another")
    add_format(made)
    add_protocol(made)
    return made


def run(argv: list[str] | None = None) -> None:
    """Compare two sets."""
    args = parser().parse_args(argv)
    data, sets = as_ours(said(vars(args)), [args.a, args.b])
    found = difference(protocol(vars(args)), data, sets)
    if args.json:
        print(json.dumps(found))
        return
    for name, values in ((args.a, found["a"]), (args.b, found["b"])):
        print(f"{name}: {as_text(values)} % (n = {len(values)})")
    bounds = (
        ""
        if found["low"] is None
        else (
            f", 95 % interval {found['low']:+.1f} to {found['high']:+.1f} over networks; of other distillations it "
            "says nothing"
        )
    )
    print(f"difference: {found['mean']:+.1f} points{bounds}")
