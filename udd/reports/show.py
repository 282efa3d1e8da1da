"""`udd show SET`: a set's gallery beside it, its page, and what the set says of itself."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from udd.command import Parser, check_out, count, marked, refuse_else
from udd.errors import UserError
from udd.files import check_set, write_atomic
from udd.reports.judged import judged
from udd.reports.names import OWN, Labels
from udd.reports.page import MARK, hard, write
from udd.reports.pictures import Curve, read_curve
from udd.synthetic.formats.content import no_pixels
from udd.synthetic.sets import SyntheticSet, load


def parser() -> Parser:
    """The command line of `udd show`."""
    made = Parser(
        prog="udd show",
        description="Draw a set's images into a PNG, with --html also its page, and say where they are.",
    )
    made.add_argument("set", type=Path, help="a set, as made by udd distill (.safetensors)")
    made.add_argument("--out", type=Path, help="the PNG to write; by default beside the set, under its name")
    made.add_argument("--label", default="", help="how its method is called there; by default as its variant is")
    made.add_argument("--dataset-label", default="", help="how its data set is called there; by default by its name")
    made.add_argument("--most", type=count, default=10, help="images of a class")
    made.add_argument(
        "--html",
        type=Path,
        metavar="PAGE",
        help="also write a page there: one HTML file with all that is known of the set",
    )
    made.add_argument(
        "--record",
        type=Path,
        help="for the page: its accuracy, a record of results/accuracy or of udd evaluate FILE --out (JSON)",
    )
    made.add_argument("--curve", type=Path, help="for the page: its loss curve (CSV)")
    made.add_argument(
        "--embedded",
        action="store_true",
        help="for the page: below 2 MB, the most that Chromium opens inside another file",
    )
    made.add_argument("--open", action="store_true", help="also open it, or the page, in a viewer")
    made.add_argument(
        "--json",
        action="store_true",
        help="print what the set says of itself: classes, sizes, configuration, provenance",
    )
    return made


def png(made: SyntheticSet, most: int, labels: Labels = OWN) -> bytes:
    """The gallery of a set as a PNG, 150 dots an inch."""
    # Here: a machine that distils cells of params.yaml may lack what draws
    from udd.reports.figures.gallery import of_set

    figure, kept = of_set(made._replace(labels=hard(made.labels)), most, labels), BytesIO()
    figure.savefig(kept, format="png", dpi=150, metadata={"Creator": MARK})
    return kept.getvalue()


def about(made: SyntheticSet) -> dict[str, Any]:
    """What a set says of itself: its metadata, how many images [K, H, W] and candidate windows it has."""
    count, *shape = made.images.shape
    return {"images": count, "shape": shape, "windows": len(made.windows)} | made.metadata


def check_length(path: Path, curve: Curve, made: SyntheticSet) -> None:
    """Raise UserError unless a curve's last row is the set's last one: more does not tell whose it is."""
    distill, (before, last) = made.metadata.get("config", {}).get("distill"), [0, *map(int, curve["iteration"])][-2:]
    # Early versions wrote no row for the last iteration
    if distill and not 0 <= (total := distill["outer"] * distill["inner"]) - last <= last - before:
        raise UserError(f"{path}: ends at iteration {last}, the set at {total}; give the curve written with the set")


def write_page(page: Path, made: SyntheticSet, name: str, record: Path | None, curve: Path | None, **how: Any) -> None:
    """Write a set's page under the set's name, as `how` says, with what its record and its loss
    curve say where they are given."""
    found = judged(record, made) if record else None
    shown = read_curve(curve) if curve else None
    if curve and shown:
        check_length(curve, shown, made)
    write(page, made, name, found, shown, **how)


def run(argv: list[str] | None = None) -> None:
    """Draw one set."""
    asked, ours = parser(), partial(marked, MARK.encode())
    args = asked.parse_args(argv)
    if (args.record or args.curve) and not args.html:
        asked.error("--record and --curve are for a page; say where with --html PAGE")
    out, labels = args.out or args.set.with_suffix(".png"), Labels(args.dataset_label, args.label)
    read = [path for path in (args.set, args.record, args.curve) if path]
    check_out("--out", out, *read, ending=".png")
    refuse_else("--out", out, "a gallery of ours", ours)
    if args.html:
        check_out("--html", args.html, *read, out, ending=".html")
        refuse_else("--html", args.html, "a page of ours", ours)
    check_set(args.set)
    made = load(args.set)
    if wrong := no_pixels(made.images, anyway=True):  # those outside [0, 1] can be drawn
        raise UserError(f"{args.set}: {wrong}")
    if args.html:
        write_page(
            args.html,
            made,
            args.set.name,
            args.record,
            args.curve,
            most=args.most,
            embedded=args.embedded,
            labels=labels,
        )
    write_atomic(out, png(made, args.most, labels))
    written = {"gallery": str(out)} | ({"page": str(args.html)} if args.html else {})
    print(json.dumps(written | about(made), indent=1) if args.json else "\n".join(written.values()))
    if args.open:
        import webbrowser

        webbrowser.open((args.html or out).resolve().as_uri())
