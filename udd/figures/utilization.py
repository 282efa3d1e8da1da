"""Accuracy against utilisation, over P for UDD and for windows alone, over the factor for IDC (Fig. 7)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from udd.cli import UserError
from udd.figures.style import COLOURS, Sources, place_name, start
from udd.reporting.measured import Key, read
from udd.reporting.names import ARCHITECTURES
from udd.reporting.statistics import summary

FAMILIES = {
    "regions": ("UDD, over P", "P", "selected", "o"),
    "windows": ("windows alone, over P", "P", "selected", "^"),
    "grid": ("IDC, over the factor", "factor", "factor", "s"),
}


class Point(NamedTuple):
    """One variant: its mUE over sets and accuracy over evaluations (mean, std, n each), and the value that is varied."""

    mue: tuple[float, float | None, int]
    accuracy: tuple[float, float | None, int]
    value: int


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """A line a family of variants, a point a variant; the real images' mUE as a vertical line."""
    mues = read_mues(sources.collected / "utilization.csv")
    families = points(config, mues, read(sources.collected / "accuracy.csv"))
    if not families:
        raise UserError(f"{sources.collected}: no variant with both mUE and accuracy on {place_name(config)}; run udd.utilization and udd.evaluate")
    figure, axes = start(5.0, 3.4)
    axis = axes[0, 0]
    for number, (decode, found) in enumerate(families.items()):
        line(axis, found, *FAMILIES[decode], COLOURS[number])
    real = [value for (name, ipc, _), values in mues.items() if name == config["dataset"] and ipc == "all" for value in values]
    if real:
        axis.axvline(real[0], color="0.4", linestyle="--", linewidth=1, label="real images")
    axis.set(xlabel="mUE of the stored images (0 to 1)", ylabel=f"test accuracy of {ARCHITECTURES[config['architecture']]} in %")
    axis.margins(0.12)
    axis.legend(frameon=False, fontsize=8)
    axis.set_title(f"{place_name(config)}\n{counts(families)}\nbars: sample standard deviation")
    return figure


def read_mues(path: Path) -> dict[tuple[str, str, str], list[float]]:
    """mUE of each set of utilization.csv, by (data set, IPC, variant). Raises UserError if the file is missing."""
    found: dict[tuple[str, str, str], list[float]] = {}
    if not path.exists():
        raise UserError(f"{path}: no such file; make it with python -m udd.collect")
    with open(path, newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault((row["dataset"], row["ipc"], row["variant"]), []).append(float(row["mue"]))
    return found


def points(config: dict[str, Any], mues: dict, groups: dict) -> dict[str, list[Point]]:
    """The points of each family (a way to decode) that were both measured and evaluated, in the order of what is varied."""
    families: dict[str, dict[str, Point]] = {}
    for found in config["sets"]:
        place = (config["dataset"], str(config["ipc"]), found["variant"])
        runs = groups.get(Key(*place, config["protocol"], config["architecture"]))
        if place in mues and runs and "distill" in found:
            decode = found["distill"]["decode"]
            point = Point(summary(mues[place]), summary([run.accuracy for run in runs]), found["distill"][FAMILIES[decode][2]])
            families.setdefault(decode, {})[found["variant"]] = point
    return {decode: sorted(found.values(), key=lambda point: point.value) for decode, found in families.items()}


def line(axis: Any, found: list[Point], name: str, symbol: str, _key: str, marker: str, colour: str) -> None:
    """One family: points with their standard deviations where there are several values, joined in order, each with its value."""
    x, y = [point.mue[0] for point in found], [point.accuracy[0] for point in found]
    bars = {"xerr": [point.mue[1] or 0 for point in found], "yerr": [point.accuracy[1] or 0 for point in found]}
    axis.errorbar(x, y, **bars, marker=marker, color=colour, capsize=2, linewidth=1, elinewidth=0.8, markersize=5, label=name)
    for point in found:
        place = (point.mue[0], point.accuracy[0])
        axis.annotate(f"{symbol} = {point.value}", place, xytext=(5, -10), textcoords="offset points", fontsize=7, color=colour)


def counts(families: dict[str, list[Point]]) -> str:
    """How many sets and evaluations stand behind a point."""
    found = [point for of_family in families.values() for point in of_family]
    sets, runs = sorted({point.mue[2] for point in found}), sorted({point.accuracy[2] for point in found})
    return f"a point: n = {'-'.join(map(str, sets))} (mUE: sets), n = {'-'.join(map(str, runs))} (accuracy: evaluations)"
