"""A grid: a column a method and, for each data set, IPC and network, a row of what was measured and a row of what the
paper prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from udd.reports.cells import Cell
from udd.reports.layouts import (
    Layout,
    Table,
    again,
    counts,
    head_of,
    heading,
    key_of,
    marked,
    measured,
    quoted_key,
    run_at,
    settings,
    varying,
)
from udd.reports.measured import Evaluation, Groups
from udd.reports.quoted import Quoted, QuotedKey


def columns(layout: Layout, config: Mapping[str, Any], quoted: Mapping[QuotedKey, Quoted]) -> list[str]:
    """The methods of a grid: those asked for and those that the paper has figures of at these
    settings; the full data set last."""
    asked, full = config["request"]["variants"], config["full"]
    shown = [
        m
        for m in layout.methods
        if m in asked or any(quoted_key(setting, m, full) in quoted for setting in settings(config["request"]))
    ]
    extra = [variant for variant in asked if variant not in shown]
    return sorted([*shown, *extra], key=lambda method: method == "full" or method in full)


def grid(layout: Layout, config: Mapping[str, Any], groups: Groups, quoted: Mapping[QuotedKey, Quoted]) -> Table:
    """A table with a column a method."""
    methods, request = columns(layout, config, quoted), config["request"]
    several = varying(request)
    table = Table(grid_headings([heading(config, name) for name in methods], several), [], [], [], [], {}, {})
    for setting in settings(request):
        table.starts.append(len(table.rows))
        asked = {
            method: key_of(setting, method, config)
            for method in methods
            if method in request["variants"] and run_at(setting, method, config)
        }
        runs = {method: groups.get(key, []) for method, key in asked.items()}
        known = {
            method: quoted[key] for method in methods if (key := quoted_key(setting, method, config["full"])) in quoted
        }
        printed = {} if again(setting, request) else known
        table.shown.extend((asked[method], runs[method]) for method in asked)
        table.quoted.extend((quoted_key(setting, method, config["full"]), figure) for method, figure in printed.items())
        stored = {name: found for name, found in runs.items() if name not in config.get("times", {})}
        ratio = ratio_percent(stored, known, config["full"])
        table.rows.extend(grid_rows(head_of(config, setting, several, ratio), methods, runs, printed, config))
    return table


def grid_headings(methods: Sequence[str], several: Sequence[str]) -> list[str]:
    """The headings of a grid."""
    return ["Data set", "IPC", "Ratio %", *several, "Source", *methods, "n"]


def ratio_percent(
    runs: Mapping[str, Sequence[Evaluation]], printed: Mapping[str, Quoted], full: Sequence[str]
) -> str | None:
    """The stored images in percent of the full data set: as the paper prints it, or counted where both were
    evaluated."""
    quoted = [figure.ratio_percent for figure in printed.values() if figure.ratio_percent]
    stored = [found[0].stored_images for method, found in runs.items() if found and method not in full]
    whole = [found[0].stored_images for method, found in runs.items() if found and method in full]
    return quoted[0] if quoted else f"{100 * stored[0] / whole[0]:.2g}" if stored and whole else None


def grid_rows(
    head: list[Cell],
    methods: Sequence[str],
    runs: Mapping[str, Sequence[Evaluation]],
    printed: Mapping[str, Quoted],
    config: Mapping[str, Any],
) -> list[list[Cell]]:
    """The rows at one setting: measured; the best of the check-ups, where there were several;
    quoted, if the paper has any."""
    ours = marked({method: measured(runs.get(method, [])) for method in methods}, config)
    n = counts(runs[method] for method in runs if method not in config["full"])
    blank: list[Cell] = ["" for _ in head]
    rows = [[*head, "measured", *ours.values(), n]]
    best = [measured(runs.get(method, []), best=True) for method in methods]
    if any(best):
        rows.append([*blank, "idc_best", *best, n])
    if printed:
        rows.append([*blank, "paper†", *(printed.get(method) for method in methods), ""])
    return rows
