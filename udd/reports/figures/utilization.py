"""Accuracy against utilisation, over P for UDD and for windows alone, over the factor for IDC and other grids (Fig. 7);
other methods are points."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from udd.config.plan import canonical
from udd.config.sections import GRIDS, METHODS, distils
from udd.errors import UserError
from udd.reports.figures.style import Sources, colours, place_name, start, variant_name
from udd.reports.measured import Key, read
from udd.reports.names import ARCHITECTURES
from udd.reports.statistics import summary

# Name, section, key
VARIED = {
    "regions": ("P", "udd", "selected"),
    "windows": ("P", "udd", "selected"),
    "grid": ("factor", "distill", "factor"),
}
WHOLE, REAL = "whole", "real"  # images that train as they are, and real ones: families of one
MARKERS = {"regions": "o", "windows": "^", "grid": "s", WHOLE: "D", REAL: "P"}


class Variant(NamedTuple):
    """One variant: its mUE over sets and accuracy over evaluations (mean, std, n each), and the
    value that its family varies."""

    variant: str
    mue: tuple[float, float | None, int]
    accuracy: tuple[float, float | None, int]
    value: int


class Family(NamedTuple):
    """Variants that differ in P, or in the factor of their grids, alone; or one whose images are whole."""

    decode: str
    points: list[Variant]


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """A line a family of variants, a point a variant; the real images' mUE as a vertical line."""
    mues = read_mues(sources.collected / "utilization.csv")
    found = families(config, mues, read(sources.collected / "accuracy.csv"))
    if not found:
        raise UserError(
            f"{sources.collected}: no variant with both mUE and accuracy on {place_name(config)}; run udd utilization "
            "and udd evaluate"
        )
    figure, axes = start(6.4, 3.4)
    axis = axes[0, 0]
    for family, colour in zip(found, colours(len(found)), strict=True):
        line(axis, family, label(config, family), colour)
    real = [
        value
        for (name, ipc, _), values in mues.items()
        if name == config["dataset"] and ipc == "all"
        for value in values
    ]
    if real:
        axis.axvline(real[0], color="0.4", linestyle="--", linewidth=1, label="real images")
    axis.set(
        xlabel="mUE of the stored images (0 to 1)",
        ylabel=f"test accuracy of {ARCHITECTURES[config['architecture']]} in %",
    )
    axis.margins(0.12)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    axis.set_title(f"{place_name(config)}\n{counts(found)}\nbars: sample standard deviation")
    return figure


def read_mues(path: Path) -> dict[tuple[str, str, str], list[float]]:
    """mUE of each set of utilization.csv, by (data set, IPC, variant). Raises UserError if the file is missing."""
    found: dict[tuple[str, str, str], list[float]] = {}
    if not path.exists():
        raise UserError(f"{path}: no such file; make it with udd collect")
    with open(path, newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault((row["dataset"], row["ipc"], row["variant"]), []).append(float(row["mue"]))
    return found


def families(config: dict[str, Any], mues: dict, groups: dict) -> list[Family]:
    """The variants that were both measured and evaluated, by family, each in the order of what is varied."""
    found: dict[str, Family] = {}
    for made in config["sets"]:
        place = (config["dataset"], str(config["ipc"]), made["variant"])
        runs = groups.get(Key(*place, config["protocol"], config["architecture"]))
        if not (place in mues and runs):
            continue
        decode = decoded(made)
        value, alike = varied(made, decode)
        point = Variant(made["variant"], summary(mues[place]), summary([run.accuracy for run in runs]), value)
        found.setdefault(alike, Family(decode, [])).points.append(point)
    return [Family(decode, sorted(points, key=lambda point: point.value)) for decode, points in found.values()]


def decoded(made: dict[str, Any]) -> str:
    """How a set's images train: UDD's decode, IDC's grid, whole; or that they are real."""
    if made["method"] == "imported":
        return WHOLE
    if not distils(made["method"]):
        return REAL
    return made["udd"]["decode"] if "udd" in made else "grid" if made["method"] in GRIDS else WHOLE


def varied(made: dict[str, Any], decode: str) -> tuple[int, str]:
    """The value that a set's family varies, and what its members have in common; of whole
    images 0, and the variant's name."""
    if decode not in VARIED:
        return 0, made["variant"]
    _, section, key = VARIED[decode]
    sections = {name: made[name] for name in METHODS[made["method"]]}
    return made[section][key], canonical(sections | {section: made[section] | {key: None}})


def label(config: dict[str, Any], family: Family) -> str:
    """What a family is called: its one variant, or its shortest-named one and what is varied."""
    name = variant_name(config, min((point.variant for point in family.points), key=len))
    return (
        name
        if len(family.points) == 1
        else f"{name}, over {'the ' if family.decode == 'grid' else ''}{VARIED[family.decode][0]}"
    )


def line(axis: Any, family: Family, name: str, colour: str) -> None:
    """One family: points with their standard deviations where there are several values, joined in
    order, each with its value."""
    found = family.points
    x, y = [point.mue[0] for point in found], [point.accuracy[0] for point in found]
    bars = {"xerr": [point.mue[1] or 0 for point in found], "yerr": [point.accuracy[1] or 0 for point in found]}
    style = {"marker": MARKERS[family.decode], "color": colour, "label": name}
    axis.errorbar(x, y, **bars, **style, capsize=2, linewidth=1, elinewidth=0.8, markersize=5)
    for point in found if len(found) > 1 else []:
        place = (point.mue[0], point.accuracy[0])
        text = f"{VARIED[family.decode][0]} = {point.value}"
        axis.annotate(text, place, xytext=(5, -10), textcoords="offset points", fontsize=7, color=colour)


def counts(found: list[Family]) -> str:
    """How many sets and evaluations stand behind a point."""
    points = [point for family in found for point in family.points]
    sets, runs = sorted({point.mue[2] for point in points}), sorted({point.accuracy[2] for point in points})
    return (
        f"a point: n = {'-'.join(map(str, sets))} (mUE: sets), n = {'-'.join(map(str, runs))} (accuracy: evaluations)"
    )
