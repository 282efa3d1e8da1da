"""`udd completion bash`: what a shell needs to complete verbs and their options (by shtab)."""

from __future__ import annotations

import importlib

from udd.command import Parser
from udd.errors import UserError

SHELLS = ("bash", "zsh", "fish")


def parser() -> Parser:
    """The command line of `udd completion`."""
    made = Parser(
        prog="udd completion", description='Print a completion script: eval "$(udd completion bash)" in ~/.bashrc.'
    )
    made.add_argument("shell", choices=SHELLS)
    return made


def whole(verbs: dict[str, tuple[str, str]]) -> Parser:
    """One parser of all verbs (name: module, what it does), each with its options where its module says them; one of
    two words below its first."""
    made = Parser(prog="udd")
    below, parsers = made.add_subparsers(), {}
    for verb, (module, about) in verbs.items():
        first, *second = verb.split()
        found = getattr(importlib.import_module(module), "parser", None)
        place = parsers[first].add_subparsers() if second else below
        parsers[verb] = place.add_parser(
            *second or [first], help=about, parents=[found()] if found else [], add_help=not found
        )
    return made


def run(argv: list[str] | None = None) -> None:
    """Print the script."""
    from udd.__main__ import VERBS

    shell = parser().parse_args(argv).shell
    try:
        import shtab
    except ImportError:
        raise UserError("shtab: not installed; pip install shtab") from None
    print(shtab.complete(whole(VERBS), shell))
