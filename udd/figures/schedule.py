"""Accuracy over the iterations: sets of one configuration whose schedules end sooner or later; coresets as level lines."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from udd.cli import UserError
from udd.figures.style import COLOURS, Sources, place_name, start, variant_name
from udd.plan import canonical
from udd.reporting.measured import Key, read
from udd.reporting.names import ARCHITECTURES
from udd.reporting.statistics import summary

Line = list[tuple[int, str, tuple[float, float | None, int]]]  # iterations, variant, (mean, standard deviation, n) of the accuracy in %


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """A line a configuration, a point a length of its schedule; bars are sample standard deviations."""
    found = lines(config, read(sources.collected / "accuracy.csv"))
    if not found:
        raise UserError(f"{sources.collected}: no evaluation of {place_name(config)} that the figure asks for; run udd.evaluate and udd.collect")
    figure, axes = start(5.0, 3.4)
    axis = axes[0, 0]
    for colour, line in zip(COLOURS, found, strict=False):
        _, variant, (mean, std, _) = line[-1]
        if line[-1][0]:
            x, y, bars = [point[0] for point in line], [point[2][0] for point in line], [point[2][1] or 0 for point in line]
            axis.errorbar(x, y, yerr=bars, marker="o", markersize=4, capsize=2, linewidth=1, color=colour, label=variant_name(variant))
        else:
            axis.axhline(mean, color=colour, linestyle="--", linewidth=1, label=f"{variant_name(variant)} ({mean:.1f} ± {std or 0:.1f})")
    axis.set(
        xlabel="iterations (steps on the synthetic images)", ylabel=f"test accuracy of {ARCHITECTURES[config['architecture']]} in %", xlim=(0, None)
    )
    axis.legend(frameon=False, fontsize=8)
    runs = sorted({point[2][2] for line in found for point in line})
    axis.set_title(f"{place_name(config)}\nn = {'-'.join(map(str, runs))} evaluations a point; bars: sample standard deviation")
    return figure


def lines(config: dict[str, Any], groups: dict) -> list[Line]:
    """The evaluated sets, those that differ in `outer` alone together, by length; a coreset is a line of its own at 0 iterations."""
    together: dict[str, Line] = {}
    for found in config["sets"]:
        runs = groups.get(Key(config["dataset"], str(config["ipc"]), found["variant"], config["protocol"], config["architecture"]))
        if not runs:
            continue
        options = found.get("distill", {})
        alike = canonical([found["method"], options | {"outer": 0}])
        point = (options.get("outer", 0) * options.get("inner", 0), found["variant"], summary([run.accuracy for run in runs]))
        if point not in together.setdefault(alike, []):
            together[alike].append(point)
    return [sorted(line) for line in together.values()]
