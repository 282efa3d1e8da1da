"""Losses and the norms of their gradients over the iterations of the distillation, as methods log them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from udd.errors import UserError
from udd.reports.figures.style import Sources, colours, place_name, set_path, start, variant_name

POINTS = 200  # a curve is averaged over as many spans
# The columns that each may show, by how they are called: UDD's and IDC's, or another method's
PANELS: tuple[dict[str, str], ...] = (
    {"loss_gradient": "gradient matching $L_g$", "loss": "loss"},
    {"loss_cfc": "contrast $L_c$ (CFC)", "cross_entropy": "cross-entropy"},
    {"grad_norm_gradient": r"$\|\partial L_g/\partial S\|$", "grad_norm": r"$\|\partial L/\partial S\|$"},
    {"grad_norm_cfc": r"$\|\partial L_c/\partial S\|$", "rate": "learned rate"},
)
DECADE = 10  # a quantity that varies by more is drawn on a logarithmic scale


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """A panel a quantity, a colour a variant: the mean over distillation seeds, and their range as a band."""
    variants: dict[str, list[np.ndarray]] = {}
    for found in config["sets"]:
        variants.setdefault(found["variant"], []).append(read_curve(set_path(sources, found, "curves", "csv")))
    figure, axes = start(7.2, 4.4, 2, 2, sharex=True)
    for axis, names in zip(axes.flat, PANELS, strict=True):
        columns = [column_of(curves[0], names) for curves in variants.values()]
        drawn = zip(variants.items(), columns, colours(len(variants)), strict=True)
        shown = [
            bool(column) and panel(axis, curves, column, variant_name(config, variant), colour)
            for (variant, curves), column, colour in drawn
        ]
        axis.set_ylabel(
            " / ".join(dict.fromkeys(names[column] for column in columns if column)) or next(iter(names.values()))
        )
        if any(shown) and wide(axis):
            axis.set_yscale("log")
        if not any(shown):
            axis.text(
                0.5,
                0.5,
                "not used by these variants",
                ha="center",
                va="center",
                transform=axis.transAxes,
                fontsize=8,
                color="0.4",
            )
    for axis in axes[1]:
        axis.set_xlabel("iteration (inner steps)")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8
    )
    n = "-".join(str(count) for count in sorted({len(curves) for curves in variants.values()}))
    what = "one distillation seed" if n == "1" else f"mean and range over n = {n} distillation seeds"
    figure.suptitle(f"{place_name(config)}: {what}", fontsize=10)
    return figure


def read_curve(path: Path) -> np.ndarray:
    """A loss curve as a structured array, its columns by name. Raises UserError if the file is missing or has no
    rows."""
    if not path.exists():
        raise UserError(f"{path}: no such curve; make it with udd distill")
    curve = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
    missing = [] if column_of(curve, PANELS[0]) else [next(iter(PANELS[0]))]
    missing = ["iteration"] if "iteration" not in (curve.dtype.names or ()) else missing
    if missing or not len(curve):
        raise UserError(
            f"{path}: {f'column {missing[0]} is missing' if missing else 'no rows'}; make it again with udd distill"
        )
    return curve


def column_of(curve: np.ndarray, names: dict[str, str]) -> str:
    """Which of the columns a curve has, the first; an empty text if none."""
    return next((name for name in names if name in (curve.dtype.names or ())), "")


def panel(axis: Any, curves: list[np.ndarray], column: str, name: str, colour: str) -> bool:
    """Draw one quantity of one variant, unless it is zero throughout; say whether it was drawn."""
    rows = min(len(curve) for curve in curves)
    values = np.stack([curve[column][:rows] for curve in curves])  # [seeds, rows]
    if not np.any(values):
        return False
    x = averaged(curves[0]["iteration"][:rows])
    smooth = np.stack([averaged(of_seed) for of_seed in values])
    axis.plot(x, smooth.mean(0), color=colour, linewidth=1.2, label=name)
    if len(curves) > 1:
        axis.fill_between(x, smooth.min(0), smooth.max(0), color=colour, alpha=0.2, linewidth=0)
    return True


def wide(axis: Any) -> bool:
    """Whether what was drawn is positive and varies by more than a decade."""
    low, high = axis.dataLim.intervaly
    return low > 0 and high / low > DECADE


def averaged(values: np.ndarray) -> np.ndarray:
    """Means over at most POINTS spans of (nearly) equal length. [rows] -> [spans]."""
    return np.array([span.mean() for span in np.array_split(values, min(POINTS, len(values)))])
