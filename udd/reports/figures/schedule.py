"""Accuracy over the iterations and over the minutes: sets of one configuration whose schedules end sooner or later;
coresets as level lines."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from udd.config.plan import canonical
from udd.errors import UserError
from udd.reports.figures.curves import read_curve
from udd.reports.figures.style import Sources, colours, place_name, set_path, start, variant_name
from udd.reports.measured import Key, read
from udd.reports.names import ARCHITECTURES
from udd.reports.statistics import as_text, summary


class Point(NamedTuple):
    """A set, or those of several seeds: its schedule's iterations (0: a coreset), the minutes they took the first, what
    its variant is called, and its accuracies in %; of one network the deviation is none (nan)."""

    iterations: int
    minutes: float
    name: str
    mean: float
    std: float
    n: int
    sets: int
    said: str


Line = list[Point]


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """A line a configuration, a point a length of its schedule; bars are sample standard deviations."""
    found = lines(config, read(sources.collected / "accuracy.csv"), sources)
    if not found:
        raise UserError(
            f"{sources.collected}: no evaluation of {place_name(config)} that the figure asks for; run udd evaluate "
            "and udd collect"
        )
    figure, axes = start(7.2, 3.4, 1, 2, sharey=True)
    for axis, column in zip(axes[0], ("iterations", "minutes"), strict=True):
        for colour, line in zip(colours(len(found)), found, strict=True):
            show(axis, column, line, colour)
        axis.set_xlim(0, None)
    axes[0, 0].set(
        xlabel="iterations (steps on the synthetic images)",
        ylabel=f"test accuracy of {ARCHITECTURES[config['architecture']]} in %",
    )
    several = any(point.sets > 1 for line in found for point in line)
    axes[0, 1].set_xlabel("minutes of the first set" if several else "minutes")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8
    )
    runs = sorted({point.n for line in found for point in line})
    figure.suptitle(
        f"{place_name(config)}: n = {'-'.join(map(str, runs))} evaluations a point; bars: sample standard deviation",
        fontsize=10,
    )
    return figure


def show(axis: Any, column: str, line: Line, colour: str) -> None:
    """Draw a line over one of a point's columns; a coreset, which has no length, is level."""
    last = line[-1]
    if last.iterations:
        x, y, bars = zip(*((getattr(point, column), point.mean, point.std) for point in line), strict=True)
        axis.errorbar(x, y, yerr=bars, marker="o", markersize=4, capsize=2, linewidth=1, color=colour, label=last.name)
    else:
        axis.axhline(last.mean, color=colour, linestyle="--", linewidth=1, label=f"{last.name} ({last.said})")


def lines(config: dict[str, Any], groups: dict, sources: Sources) -> list[Line]:
    """The evaluated sets, those that differ in `outer` alone together, by length; a coreset is a line of
    its own at 0 iterations."""
    together: dict[str, dict[int, Point]] = {}
    for found in config["sets"]:
        runs = groups.get(
            Key(config["dataset"], str(config["ipc"]), found["variant"], config["protocol"], config["architecture"])
        )
        if not runs:
            continue
        options = found.get("distill", {})
        alike = canonical(
            {key: value for key, value in found.items() if key not in ("variant", "distill")}
            | {"distill": options | {"outer": 0}}
        )
        iterations = options.get("outer", 0) * options.get("inner", 0)
        minutes = (
            float(read_curve(set_path(sources, found, "curves", "csv"))["seconds"][-1]) / 60 if iterations else 0.0
        )
        values = [run.accuracy for run in runs]
        mean, std, n = summary(values)
        name, bar = variant_name(config, found["variant"]), math.nan if std is None else std
        point = Point(iterations, minutes, name, mean, bar, n, len({run.seed for run in runs}), as_text(values))
        together.setdefault(alike, {})[iterations] = point
    return [[line[length] for length in sorted(line)] for line in together.values()]
