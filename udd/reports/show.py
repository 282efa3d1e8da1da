"""`udd show SET`: a set's gallery beside it, and what the set says of itself."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from udd.command import Parser
from udd.files import write_atomic
from udd.synthetic.sets import SyntheticSet, load


def parser() -> Parser:
    """The command line of `udd show`."""
    made = Parser(prog="udd show", description="Draw a set's images into a PNG and say where it is.")
    made.add_argument("set", type=Path, help="a set, as made by udd distill (.safetensors)")
    made.add_argument("--out", type=Path, help="the PNG to write; by default beside the set, under its name")
    made.add_argument("--most", type=int, default=10, help="images of a class")
    made.add_argument("--open", action="store_true", help="also open it in a viewer")
    made.add_argument("--json", action="store_true", help="print what the set says of itself: classes, sizes, configuration, provenance")
    return made


def png(made: SyntheticSet, most: int) -> bytes:
    """The gallery of a set as a PNG, 150 dots an inch."""
    kept = BytesIO()
    made.show(most).savefig(kept, format="png", dpi=150)
    return kept.getvalue()


def about(made: SyntheticSet) -> dict[str, Any]:
    """What a set says of itself: its metadata, how many images [K, H, W] and candidate windows it has."""
    count, *shape = made.images.shape
    return {"images": count, "shape": shape, "windows": len(made.windows)} | made.metadata


def run(argv: list[str] | None = None) -> None:
    """Draw one set."""
    args = parser().parse_args(argv)
    made, out = load(args.set), args.out or args.set.with_suffix(".png")
    write_atomic(out, png(made, args.most))
    print(json.dumps({"gallery": str(out)} | about(made), indent=1) if args.json else out)
    if args.open:
        import webbrowser

        webbrowser.open(out.resolve().as_uri())
