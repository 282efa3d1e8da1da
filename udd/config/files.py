"""The files that a command reads and writes: named on its command line, else where params.yaml puts them."""

from __future__ import annotations

import argparse
from pathlib import Path

from udd.command import add_common
from udd.config.plan import Params, add_config, data_root
from udd.errors import UserError


def parser(module: str, about: str, files: dict[str, str]) -> argparse.ArgumentParser:
    """The command line of `python -m MODULE`: a configuration, an option for each of `files` (name: what it is), device and threads."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    add_config(made)
    for name, what in files.items():
        made.add_argument(f"--{name}", type=Path, help=what)
    add_common(made)
    return made


def need(args: argparse.Namespace, *names: str) -> None:
    """Raise UserError if one of these options was left out: a configuration does not say where files lie."""
    for name in names:
        if getattr(args, name) is None:
            raise UserError(f"--{name}: missing; it is needed beside --config")


def fill_in(args: argparse.Namespace, params: Params, **files: str) -> None:
    """Give each of `files` (name: place below results) that was left out its place, and `root` the data root."""
    for name, place in files.items():
        setattr(args, name, getattr(args, name) or Path(params["results"], place))
    args.root = args.root or data_root(params)
