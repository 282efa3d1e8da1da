"""`udd import FILE --as FORMAT --dataset NAME`: another's set as one of ours."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from udd.command import Parser, check_out, marked, names_cell, refuse_else
from udd.errors import UsageError, UserError
from udd.files import with_name
from udd.foreign import add_format, as_ours, said
from udd.given import SET
from udd.synthetic.formats import FORMATS
from udd.synthetic.sets import load

CELL = {"--config", "--params", "--manifest", "--variant", "--ipc", "--file"}  # options of a cell alone


def parser() -> Parser:
    """The command line."""
    formats = "; ".join(f"{name}: {each.about}" for name, each in FORMATS.items())
    made = Parser(prog="udd import", description=f"Read a synthetic set from another's file. Formats: {formats}.")
    made.add_argument("file", type=Path, help="the file or folder")
    add_format(made, needed=True)
    made.add_argument("--out", type=Path, help="the set to write; by default FILE with .safetensors")
    made.add_argument("--json", action="store_true", help="print what the set says of itself")
    return made


def refuse_other(out: Path, file: Path) -> None:
    """Raise UserError if what has the name that nobody gave is no import of this file."""
    if out.exists() and load(out).metadata.get("provenance", {}).get("imported", {}).get("file") != file.name:
        raise UserError(
            f"{out}: another set, which this one would replace; give this one another name: --out FILE.safetensors"
        )


def run(argv: list[str] | None = None) -> None:
    """Import one set, or take one that there is for a cell of params.yaml."""
    if names_cell(argv or [], CELL):
        from udd.adopting import run as cell

        return cell(argv)
    args = parser().parse_args(argv)
    named = with_name(args.file)
    if named.suffix == ".safetensors":
        raise UsageError(
            f"{args.file}: a set of ours by its name, which needs no import; name another's file or folder"
        )
    out = args.out or named.with_suffix(".safetensors")
    check_out("--out", out, args.file, ending=".safetensors")
    if args.out:
        refuse_else("--out", out, "a set", partial(marked, SET))
    else:
        refuse_other(out, named)
    _, (made,) = as_ours(said(vars(args)), [args.file])
    made.save(out)
    labels = "soft labels" if made.labels.ndim > 1 else "hard labels"
    print(
        json.dumps({"set": str(out)} | made.metadata)
        if args.json
        else f"{out}: {len(made.images)} images, {labels}, {len(made.windows)} windows"
    )
