"""A table in LaTeX (booktabs alone), Markdown and CSV, from the same rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from tabulate import DataRow, Line, TableFormat, tabulate

from udd.reports import cells
from udd.reports.captions import caption, footnotes, letters
from udd.reports.layouts import LAYOUTS, Table
from udd.reports.measured import Cost, Evaluation, Key
from udd.reports.quoted import Quoted, QuotedKey
from udd.reports.statistics import Difference, summary

# From so many columns: letters, and points between columns
SIZES = ((17, "tiny", 1), (16, "tiny", 2), (13, "scriptsize", 2), (10, "scriptsize", 3), (0, "footnotesize", 4))
HEAD = ["source", "dataset", "ipc", "variant", "protocol", "architecture"]
VALUES = ["accuracy", "std", "n", "distillation_seeds", "idc_best", "idc_best_std"]
VALUES += ["decoded_images", "steps", "stored_images", "stored_bytes", "seconds"]
COSTS = [
    "image_steps",
    "set_seconds",
    "sets_timed",
    "peak_bytes",
    "cache_seconds",
    "cache_networks_timed",
    "cache_networks",
]
COMPARISON = [
    "schedule_percent",
    "compared_with",
    "difference",
    "low",
    "high",
    "pairs",
    "pairs_of",
    "search_time_ms",
    "note",
]


def begin(_widths: Any, alignments: list[str]) -> str:
    """The first lines of a tabular: one letter a column."""
    return rf"\begin{{tabular}}{{{''.join(alignment[0] for alignment in alignments)}}}" + "\n" + r"\toprule"


BOOKTABS = TableFormat(
    lineabove=begin,  # type: ignore[arg-type]  # tabulate calls it
    linebelowheader=Line(r"\midrule", "", "", ""),
    linebetweenrows=None,
    linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
    headerrow=DataRow("", " & ", r" \\"),
    datarow=DataRow("", " & ", r" \\"),
    padding=0,
    with_header_hide=None,
)


def alignments(table: Table) -> list[str]:
    """Text to the left, figures to the right."""
    left = {"Data set", "Network", "Protocol", "Source", "Policy", "Jitter", "Method", "Windows", "Pairs"}
    return ["left" if heading in left else "right" for heading in table.headings]


def tex(config: Mapping[str, Any], table: Table) -> str:
    """A `table` environment for a document that loads booktabs."""
    rows = [[cells.tex(cell, letters(table)) for cell in row] for row in table.rows]
    for start in table.starts[1:]:
        rows[start][0] = rf"\addlinespace {rows[start][0]}"
    headings = [cells.escape(heading) for heading in table.headings]
    body = tabulate(rows, headings, tablefmt=BOOKTABS, colalign=alignments(table), disable_numparse=True)
    small = next(
        rf"\{size}\setlength{{\tabcolsep}}{{{space}pt}}" for columns, size, space in SIZES if len(headings) >= columns
    )
    notes = cells.escape(" ".join(footnotes(config, table)))
    below = f"\n\\par\\smallskip\n\\parbox{{\\linewidth}}{{\\footnotesize {notes}}}" if notes else ""
    opening = (
        f"\\begin{{table}}[htbp]\n\\centering\n\\caption{{{cells.escape(caption(config, table))}}}\n"
        f"\\label{{tab:{config['table']}}}"
    )
    return f"{opening}\n{{{small}\n{body}}}{below}\n\\end{{table}}\n"


def markdown(config: Mapping[str, Any], table: Table) -> str:
    """The caption, the table, and the notes as a list."""
    rows = [[cells.markdown(cell, letters(table)) for cell in row] for row in table.rows]
    body = tabulate(rows, table.headings, tablefmt="pipe", colalign=alignments(table), disable_numparse=True)
    notes = "".join(f"\n- {line}" for line in footnotes(config, table))
    return f"**Table {LAYOUTS[config['table']].number}.** {caption(config, table)}\n\n{body}\n{notes}\n"


def to_csv(table: Table) -> str:
    """One line a group of runs or quoted figure, unrounded; what was not run has empty values."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text,
        HEAD + VALUES + (COSTS if table.costs else COMPARISON),
        restval="",
        extrasaction="ignore",
        lineterminator="\n",
    )
    writer.writeheader()
    for key, runs in dict(table.shown).items():
        beside = compared_line(table.differences.get(key)) | cost_line(table.costs.get(key))
        writer.writerow(measured_line(key, list(runs)) | beside)
    writer.writerows(quoted_line(key, figure) for key, figure in dict(table.quoted).items())
    return text.getvalue()


def measured_line(key: Key, runs: list[Evaluation]) -> dict[str, Any]:
    """A group's line."""
    line: dict[str, Any] = {"source": "measured" if runs else "not run"} | key._asdict()
    if not runs:
        return line
    mean, std, n = summary([run.accuracy for run in runs])
    best, best_std, _ = summary([run.best for run in runs])
    first = runs[0]
    line |= {
        "accuracy": rounded(mean),
        "std": rounded(std),
        "n": n,
        "distillation_seeds": len({run.seed for run in runs}),
    }
    line |= {
        "idc_best": rounded(best),
        "idc_best_std": rounded(best_std),
        "seconds": rounded(sum(run.seconds for run in runs)),
    }
    line |= {
        "decoded_images": first.decoded_images,
        "steps": first.steps,
        "stored_images": first.stored_images,
        "stored_bytes": first.stored_bytes,
    }
    return line | {"schedule_percent": "" if first.schedule is None else first.schedule}


def compared_line(found: tuple[str, Difference] | None) -> dict[str, Any]:
    """A difference's columns."""
    if found is None:
        return {}
    partner, difference = found
    low, high = rounded(difference.low), rounded(difference.high)
    numbers = {"difference": rounded(difference.mean), "low": low, "high": high, "pairs": difference.n}
    return {"compared_with": partner} | numbers | {"pairs_of": difference.unit}


def cost_line(found: Cost | None) -> dict[str, Any]:
    """A cost's columns."""
    if found is None:
        return {}
    sets = {
        "image_steps": found.steps,
        "set_seconds": rounded(found.seconds),
        "sets_timed": found.sets,
        "peak_bytes": found.peak,
    }
    cache = {
        "cache_seconds": rounded(found.cache_seconds),
        "cache_networks_timed": found.cached,
        "cache_networks": found.networks,
    }
    return sets | cache


def quoted_line(key: QuotedKey, figure: Quoted) -> dict[str, Any]:
    """A quoted figure's line."""
    dataset, ipc, method, architecture = key
    place = {"source": "quoted", "dataset": dataset, "ipc": ipc, "variant": method, "architecture": architecture}
    std = "" if figure.std is None else figure.std
    return place | {
        "accuracy": figure.accuracy,
        "std": std,
        "search_time_ms": figure.search_time_ms,
        "note": " ".join(figure.notes),
    }


def rounded(value: float | None) -> float | str:
    """Four decimals, or nothing."""
    return "" if value is None else round(value, 4)
