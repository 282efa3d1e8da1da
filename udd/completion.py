"""`udd completion bash`: what a shell needs to complete verbs and their options (by shtab)."""

from __future__ import annotations

import importlib

from udd.command import Parser
from udd.errors import UserError

SHELLS = ("bash", "zsh", "fish")


def parser() -> Parser:
    """The command line of `udd completion`."""
    made = Parser(prog="udd completion", description='Print a completion script: eval "$(udd completion bash)" in ~/.bashrc.')
    made.add_argument("shell", choices=SHELLS)
    return made


def whole(verbs: dict[str, tuple[str, str]]) -> Parser:
    """One parser of all verbs (name: module, what it does), each with its options where its module says them."""
    made = Parser(prog="udd")
    below = made.add_subparsers()
    for verb, (module, about) in verbs.items():
        if " " in verb:
            continue  # a verb of two words: shtab completes the first
        found = getattr(importlib.import_module(module), "parser", None)
        below.add_parser(verb, help=about, parents=[found()] if found else [], add_help=not found)
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
