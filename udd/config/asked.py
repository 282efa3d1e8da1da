"""What a command line asks for: a resolved configuration, or a cell of params.yaml by its coordinates; and
`udd plan`, which prints it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from udd.command import Parser, whole
from udd.config.params import load
from udd.config.plan import FULL, Cell, Params, method, set_config
from udd.config.reading import decoded
from udd.config.requested import all_cells
from udd.errors import UsageError, UserError


class Asked(NamedTuple):
    """config: a resolved configuration, as JSON or a JSON file; else a cell's coordinates in `params`,
    params.yaml and files laid over it."""

    config: str | None = None
    params: Sequence[str] = ("params.yaml",)
    dataset: str | None = None
    ipc: str = "1"
    variant: str = "udd"
    seed: int = 0


def add_config(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    """Add the options that name a configuration: as the workflow does (--config), or by hand
    (--params and a cell's coordinates)."""
    one = parser.add_mutually_exclusive_group(required=needed)
    one.add_argument("--config", help="resolved configuration, as JSON or a JSON file; replaces the options below")
    one.add_argument("--dataset", help="a data set's name in params.yaml")
    parser.add_argument("--params", nargs="+", default=["params.yaml"], help="params.yaml and files laid over it")
    parser.add_argument("--ipc", default="1")
    parser.add_argument("--variant", default="udd")
    parser.add_argument("--seed", type=whole, default=0, help="distillation seed")


def asked(options: Mapping[str, Any]) -> Asked:
    """What the options of `add_config` say, among others."""
    return Asked(**{name: options[name] for name in Asked._fields})


def read_config(given: str | None, *needed: str) -> dict[str, Any] | None:
    """The configuration that --config gives, or None if it was not given. Raises UserError if it is no JSON, or lacks
    one of the keys that are needed."""
    if not given:
        return None
    text = given if given.lstrip()[:1] in ("{", "[") else decoded(given, "name a file that is there, or give the JSON")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"--config: not JSON ({error}); give the text that `udd plan` prints, or a file of it"
        ) from None
    if lacking := [key for key in needed if not isinstance(found, dict) or key not in found]:
        raise UserError(
            f"--config: found no {', '.join(lacking)}; expected a resolved configuration, as the workflow gives it"
        )
    return found


def named_cell(params: Params, wanted: Asked) -> Cell:
    """The cell that --dataset, --ipc and --variant name. Raises UsageError if params.yaml does not have it."""
    for option, name, known in (
        ("dataset", wanted.dataset, params["datasets"]),
        ("variant", wanted.variant, params["variants"]),
    ):
        if name not in known:
            raise UsageError(f"--{option} {name}: not in params.yaml; expected one of {', '.join(known)}")
    dataset = str(wanted.dataset)
    if method(params, wanted.variant) == "full":
        return Cell(dataset, FULL, wanted.variant)
    if not wanted.ipc.isdecimal() or int(wanted.ipc) < 1:
        raise UsageError(f"--ipc {wanted.ipc}: expected a whole number of images per class, 1 or more")
    return Cell(dataset, int(wanted.ipc), wanted.variant)


def set_config_of(wanted: Asked) -> dict[str, Any]:
    """The set's configuration that the command line asks for."""
    config = read_config(wanted.config)
    if config is not None:
        return config
    params = load(wanted.params)
    return set_config(params, named_cell(params, wanted), wanted.seed)


def parser() -> Parser:
    """The command line of `udd plan`."""
    made = Parser(
        prog="udd plan", description="Print the resolved configuration of a cell (with --dataset), or all cells."
    )
    add_config(made, needed=False)
    return made


def run(argv: list[str] | None = None) -> None:
    """Print a cell's resolved configuration, or the list of all cells."""
    wanted = asked(vars(parser().parse_args(argv)))
    if wanted.dataset or wanted.config:
        print(json.dumps(set_config_of(wanted), indent=1, sort_keys=True))
    else:
        print("\n".join(cell.folder for cell in all_cells(load(wanted.params))))
