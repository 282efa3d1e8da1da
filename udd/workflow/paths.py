"""Where things are, by the workflow's names for them: paths, wildcards, what there is to make."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from udd.config import drawings as analysis
from udd.config import plan, requested
from udd.config.plan import Cell, Params, Record


def under(root: str) -> Callable[[str], str]:
    """A function from a path below `root` to the path that Snakemake knows: `./data` and `data` are
    one file to us, two to it."""
    return lambda path: os.path.normpath(os.path.join(root, path))


def pick(names: Iterable[Any]) -> str:
    """A wildcard constraint: any of `names`; one that never matches if there are none."""
    return "|".join(str(name) for name in names) or "(?!)"


def ipc(text: str) -> int | str:
    """A wildcard's IPC: a number, or `all` for the full data set."""
    return text if text == plan.FULL else int(text)


def cell(wildcards: Any) -> Cell:
    """The cell that a rule's wildcards name."""
    return Cell(wildcards.dataset, ipc(wildcards.ipc), wildcards.variant)


def record(wildcards: Any) -> Record:
    """The evaluation that a rule's wildcards name."""
    return Record(cell(wildcards), int(wildcards.seed), wildcards.protocol, wildcards.architecture)


COLLECTED = ("accuracy.csv", "utilization.csv", "metrics.json")


# What DVC keeps, below results; no cache, which is large
VERSIONED = ("synthetic", "proxies", "curves", "accuracy", "utilization")


def wanted(params: Params) -> list[str]:
    """All that `snakemake` makes, below results: CSV, metrics, tables, their PDF or its source, figures, pages of
    sets."""
    tables = [f"tables/{table}.{kind}" for table in params["tables"] for kind in ("tex", "md", "csv")]
    figures = [f"figures/{found.stem}.{kind}" for found in analysis.drawings(params) for kind in ("png", "pdf")]
    pages = [f"pages/{found.cell.folder}/seed{found.seed}.html" for found in requested.pages(params)]
    whole = [f"tables/{'tables.pdf' if shutil.which('pdflatex') else 'all.tex'}"] if tables else []
    return [*COLLECTED, *tables, *whole, *figures, *pages]


def collected_requests(params: Params) -> list[str]:
    """The tables, and the figures of accuracies, each of which has its own collected files."""
    return [*params["tables"], *(name for name in params["figures"] if name in requested.ACCURACY_FIGURES)]
