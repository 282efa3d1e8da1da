"""An ablation: a row a variant, with the paired difference to the variant that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from udd.reports.cells import Cell
from udd.reports.layouts import (
    Layout,
    Setting,
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
from udd.reports.measured import Evaluation, Groups, accuracies
from udd.reports.names import variant_name
from udd.reports.quoted import Quoted, QuotedKey
from udd.reports.statistics import Difference, paired


def ablation(layout: Layout, config: Mapping[str, Any], groups: Groups, quoted: Mapping[QuotedKey, Quoted]) -> Table:
    """A table with a row a variant."""
    request = config["request"]
    variants, several = request["variants"], varying(request)
    first = [setting for setting in settings(request) if not again(setting, request)]
    figures = {
        (setting, v): quoted[key]
        for setting in first
        for v in variants
        if (key := quoted_key(setting, v, config["full"])) in quoted
    }
    times = any(figure.search_time_ms for figure in figures.values())
    table = Table(ablation_headings(config, layout, several, bool(figures), times), [], [], [], [], {}, {})
    for setting in settings(request):
        table.starts.append(len(table.rows))
        keys = {variant: key_of(setting, variant, config) for variant in variants}
        cells = marked({variant: measured(groups.get(key, [])) for variant, key in keys.items()}, config)
        for variant, cell in cells.items():
            runs, figure = groups.get(keys[variant], []), figures.get((setting, variant))
            if run_at(setting, variant, config):
                table.shown.append((keys[variant], runs))
            if figure:
                table.quoted.append((quoted_key(setting, variant, config["full"]), figure))
            found = compared(layout, config, setting, variant, groups)
            if found:
                table.differences[keys[variant]] = found
            quoted_cells = ([figure] if figures else []) + ([search_time(figure)] if times else [])
            name = heading(config, variant, layout.labels)
            table.rows.append(
                [*head_of(config, setting, several), name, *ablation_cells(runs, cell, found), *quoted_cells]
            )
    return table


def ablation_cells(runs: Sequence[Evaluation], cell: Cell, found: tuple[str, Difference] | None) -> list[Cell]:
    """The measured cells of one variant: decoded, SGD steps, accuracy, idc_best, n, difference, pairs."""
    pairs = f"{found[1].n} {found[1].unit}" if found else None
    return [
        decoded(runs),
        steps(runs),
        cell,
        measured(runs, best=True),
        counts([runs]),
        found[1] if found else None,
        pairs,
    ]


def ablation_headings(
    config: Mapping[str, Any], layout: Layout, several: Sequence[str], figures: bool, times: bool
) -> list[str]:
    """The headings of an ablation."""
    head = ["Data set", "IPC", *several, layout.heading, "Decoded", "Steps", "Accuracy", "idc_best", "n"]
    difference = "Effect of CFC [95 %]" if layout.partners else f"Difference to {variant_name(config, 'udd')} [95 %]"
    return [*head, difference, "Pairs", *(["Paper†"] if figures else []), *(["Paper's ms†"] if times else [])]


def compared(
    layout: Layout, config: Mapping[str, Any], setting: Setting, variant: str, groups: Groups
) -> tuple[str, Difference] | None:
    """The variant that this one is compared with, and the paired difference; None if
    there is none or not both were run."""
    partner = layout.partners.get(variant, "" if layout.partners or variant == "udd" else "udd")
    if not partner:
        return None
    ours, theirs = (accuracies(groups.get(key_of(setting, name, config), [])) for name in (variant, partner))
    difference = paired(ours, theirs)
    return (partner, difference) if difference else None


def decoded(runs: Sequence[Evaluation]) -> str | None:
    """Training images decoded from each stored one."""
    found = sorted({run.decoded_images / run.stored_images for run in runs})
    return None if not found else f"×{found[0]:.3g}" if len(found) == 1 else f"×{found[0]:.3g}-{found[-1]:.3g}"


def steps(runs: Sequence[Evaluation]) -> str | None:
    """SGD steps of a network's training: a number, or from-to."""
    found = sorted({run.steps for run in runs})
    return None if not found else f"{found[0]}" if len(found) == 1 else f"{found[0]}-{found[-1]}"


def search_time(figure: Quoted | None) -> str | None:
    """The paper's time of the search, in milliseconds, marked as quoted."""
    return f"{figure.search_time_ms}†" if figure and figure.search_time_ms else None
