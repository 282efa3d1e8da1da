"""The command line of the figures; see udd.reports.figures."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from udd.command import Parser
from udd.config import drawings as analysis
from udd.config import plan
from udd.config.asked import read_config
from udd.config.files import results_folder
from udd.config.params import load as load_params
from udd.errors import UsageError

NAMES = ("utilization", "maps", "features", "gallery", "curves", "schedule", "spread")


def drawer(name: str) -> Callable:
    """The `draw` of a figure's module. Raises UsageError for a name that is not a figure's."""
    if name not in NAMES:
        raise UsageError(f"figure {name!r}: unknown; expected one of {', '.join(NAMES)}")
    return import_module(f"udd.reports.figures.{name}").draw


def make(config: dict[str, Any], results: Path, collected: Path | None, root: Path, paths: list[Path]) -> None:
    """Draw one figure and save it."""
    from udd.reports.figures.style import Sources, save, themed

    with themed():
        save(drawer(config["figure"])(config, Sources(results, collected or results, root)), paths)


def by_hand(params: plan.Params, names: list[str], results: Path, collected: Path | None, root: Path) -> None:
    """All figures that params.yaml asks for, or the named ones; those whose files are not
    there yet are named and left out."""
    for name in names:
        drawer(name)
    for drawing in analysis.drawings(params):
        if names and drawing.name not in names:
            continue
        needed = analysis.inputs(params, drawing)
        read = [((collected or results) if path in analysis.COLLECTED else results) / path for path in needed]
        if lacking := [path for path in read if not path.exists()]:
            print(f"{drawing.stem}: left out, {lacking[0]} is not there yet")
            continue
        paths = [results / "figures" / f"{drawing.stem}.{suffix}" for suffix in ("png", "pdf")]
        make(analysis.figure_config(params, drawing), results, collected, root, paths)
        print(paths[0])


def parser() -> Parser:
    """The command line of `udd figures`."""
    made = Parser(prog="udd figures", description="Draw the paper's figures from finished results.")
    made.add_argument("names", nargs="*", metavar="NAME", help=f"figures to draw, by default all: {', '.join(NAMES)}")
    made.add_argument(
        "--config", help="one figure's configuration, as JSON or a JSON file; replaces the names and --params"
    )
    made.add_argument("--params", nargs="+", default=["params.yaml"], help="params.yaml and files laid over it")
    made.add_argument("--results", type=Path, help="the tree of results; by default that of the parameters")
    made.add_argument(
        "--collected", type=Path, help="the folder of accuracy.csv and utilization.csv; by default the tree of results"
    )
    made.add_argument("--root", type=Path, help="where raw data lies (maps, features, gallery)")
    made.add_argument("--out", type=Path, nargs="+", help="with --config: the .png and .pdf files to write")
    return made


def run(argv: list[str] | None = None) -> None:
    """Draw figures."""
    args = parser().parse_args(argv)
    if args.config and not (args.results and args.out and all(path.suffix in (".png", ".pdf") for path in args.out)):
        raise UsageError("--config asks for --results and for --out with files that end in .png or .pdf; give them")
    config = read_config(args.config, "figure")
    if config is not None:
        return make(config, args.results, args.collected, args.root or Path(), args.out)
    params = load_params(args.params)
    results, root = args.results or results_folder(params), args.root or plan.data_root(params)
    by_hand(params, args.names, results, args.collected, root)
