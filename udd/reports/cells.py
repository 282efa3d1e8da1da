"""The cells of a table, and how each is spelt in LaTeX and in Markdown.

A measured accuracy is upright, the best of its group bold; a quoted one is italic with a dagger, everywhere, and never
bold. A letter behind it stands for each note of what to doubt in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from udd.reports.latex import escape
from udd.reports.quoted import Quoted
from udd.reports.statistics import Difference

MISSING = "--"
BOLD = r"\mathbf"


class Measured(NamedTuple):
    """Mean accuracy in %, sample standard deviation (None for one run), n, and whether it is the best of its group."""

    mean: float
    std: float | None
    n: int
    best: bool = False


Cell = Measured | Quoted | Difference | str | None


def mark_best(cells: Sequence[Cell]) -> list[Cell]:
    """The same cells with the highest measured mean marked, and its ties as printed; a single measured cell has
    no rival and stays plain."""
    means = [printed(cell) for cell in cells if isinstance(cell, Measured)]
    best = max(means) if len(means) > 1 else None
    return [cell._replace(best=printed(cell) == best) if isinstance(cell, Measured) else cell for cell in cells]


def printed(cell: Measured) -> float:
    """The mean as it will be printed."""
    return round(cell.mean, 1)


def tex(cell: Cell, letters: Mapping[str, str]) -> str:
    """A cell in LaTeX. letters: of the notes to quoted figures."""
    match cell:
        case None:
            return MISSING
        case str():
            return escape(cell)
        case Measured(mean, std, _, best):
            return f"${rf'{BOLD}{{{mean:.1f}}}' if best else f'{mean:.1f}'}{tex_std(std)}$"
        case Quoted(accuracy, std, notes):
            return rf"$\mathit{{{accuracy:.1f}}}{tex_std(std)}^{{\dagger {marks(notes, letters)}}}$"
        case Difference(mean, low, high):
            return f"${mean:+.1f}$" if low is None else rf"${mean:+.1f}\;[{low:+.1f},\,{high:+.1f}]$"


def tex_std(std: float | None) -> str:
    """A standard deviation behind its mean, in LaTeX."""
    return "" if std is None else rf"\,{{\scriptstyle\pm\,{std:.1f}}}"


def marks(notes: Sequence[str], letters: Mapping[str, str]) -> str:
    """The letters of a quoted figure's notes."""
    return ",".join(letters[name] for name in notes)


def markdown(cell: Cell, letters: Mapping[str, str]) -> str:
    """A cell in Markdown."""
    match cell:
        case None:
            return MISSING
        case str():
            return cell.replace("|", r"\|")
        case Measured(mean, std, _, best):
            bold = "**" if best else ""
            return f"{bold}{mean:.1f}{bold}{markdown_std(std)}"
        case Quoted(accuracy, std, notes):
            return f"*{accuracy:.1f}{markdown_std(std)}*†{marks(notes, letters)}"
        case Difference(mean, low, high):
            return f"{mean:+.1f}" + ("" if low is None else f" [{low:+.1f}, {high:+.1f}]")


def markdown_std(std: float | None) -> str:
    """A standard deviation behind its mean, in Markdown."""
    return "" if std is None else f" ± {std:.1f}"
