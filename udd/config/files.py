"""The files that a command reads and writes: named on its command line, else where params.yaml puts them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from udd.command import Parser, add_common
from udd.config.asked import add_config
from udd.config.plan import Params, data_root
from udd.errors import UsageError, UserError

Files = dict[str, Any]  # name of an option -> Path
REPOSITORY = Path(__file__).resolve().parents[2]


def parser_of(verb: str, about: str, files: Mapping[str, str]) -> Parser:
    """The command line of a verb: a configuration, an option for each of `files` (name: what it
    is), device and threads."""
    made = Parser(prog=f"udd {verb}", description=about)
    add_config(made)
    for name, what in files.items():
        made.add_argument(f"--{name}", type=Path, help=what)
    add_common(made)
    return made


def need(options: Mapping[str, Any], *names: str) -> Files:
    """These of the options. Raises UsageError if one was left out: a configuration does not say where files lie."""
    for name in names:
        if options[name] is None:
            raise UsageError(f"--{name}: missing; it is needed beside --config")
    return {name: options[name] for name in names}


def filled(options: Mapping[str, Any], params: Params, **files: str) -> Files:
    """Each of `files` (name: place below results) as the options name it, else in its place; and
    `root`, else the data root."""
    found: Files = {name: options[name] or Path(params["results"], place) for name, place in files.items()}
    return found | {"root": options["root"] or data_root(params)}


def results_folder(params: Params) -> Path:
    """The parameters' folder of results. Raises UserError if that is the repository itself, which would be filled."""
    found = Path(params["results"])
    if (REPOSITORY / "Snakefile").exists() and found.resolve() == REPOSITORY:
        raise UserError(
            "results: it is the repository itself, which would be filled; give --results (results/demo for "
            "experiments/demo.yaml)"
        )
    return found


def taken_path(made: Path) -> Path:
    """Where it stands what making a file took: seed0.csv -> seed0.cost.json, beside it. No rule declares
    it, so it may be absent."""
    return made.with_suffix(".cost.json")
