"""Galleries: synthetic images beside real ones of the same classes (Figs. 6, 10, 11)."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from udd.errors import UserError
from udd.reports.figures.lettering import lend_fonts, plain
from udd.reports.figures.real import by_class, dataset_of, real_by_class
from udd.reports.figures.style import Sources, mosaic, place_name, read_set, start, themed, variant_name
from udd.reports.names import OWN, Labels
from udd.reports.pictures import hard
from udd.synthetic.sets import SyntheticSet

SHORT = 24  # characters of a class's name
MOST = 10  # images of a class, and classes where there are several images of each


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """One panel of real images and one a set: a row a class, or, at one image a class, ten classes a row."""
    sets = [(found["variant"], read_set(sources, found)) for found in config["sets"]]
    dataset = dataset_of(config["dataset"], sources)
    count, classes = min(MOST, config["ipc"]), len(dataset.classes)
    panels = [("Real", real_by_class(dataset, count))]
    panels += [(variant_name(config, name), by_class(made.images, made.labels, count, classes)) for name, made in sets]
    single = count == 1
    arranged = [(name, ten_a_row(rows) if single else rows[:MOST]) for name, rows in panels]
    return (
        single_file(config, arranged)
        if single
        else side_by_side(config, arranged, [plain(name, SHORT) for name in dataset.classes[:MOST]])
    )


@themed()
def of_set(made: SyntheticSet, most: int, labels: Labels = OWN) -> Figure:
    """A set alone, its data set and method by their `labels`: a row a class with its name, at one image a
    class ten classes a row. Raises UserError unless `most` is 1 or more."""
    if not isinstance(most, Integral) or most < 1:
        raise UserError(f"most: found {most!r}, expected a whole number, 1 or more")
    of = hard(made.labels)
    rows = by_class(made.images, of, most, len(made.metadata["classes"]))
    # A class may have no image
    held = [(row, plain(name, SHORT)) for row, name in zip(rows, made.metadata["classes"], strict=True) if row]
    rows, classes = [row for row, _ in held], [name for _, name in held]
    if max(map(len, rows)) == 1:
        figure, axes = start(6.0, 0.3 + 0.7 * -(-len(rows) // 10), 1, 1)
        show(axes[0, 0], ten_a_row(rows), ", ".join(classes[:10]))
    else:
        name = plain(labels.method) or variant_name({}, made.metadata["config"]["variant"])
        place = {"dataset": labels.dataset or made.metadata["dataset"], "ipc": int(torch.bincount(of).max())}
        figure = side_by_side(place, [(name, rows[:MOST])], classes[:MOST])
    lend_fonts(figure)
    return figure


def ten_a_row(rows: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    """One image a class, ten to a row."""
    images = [row[0] for row in rows]
    return [images[i : i + 10] for i in range(0, len(images), 10)]


def single_file(config: dict[str, Any], panels: list[tuple[str, list]]) -> Figure:
    """Panels below each other if they are flat, beside each other if they are square."""
    flat = len(panels[0][1]) <= 2
    shape = (len(panels), 1) if flat else (1, len(panels))
    width, height = (6.0, 0.3 + len(panels) * (0.25 + 0.6 * len(panels[0][1]))) if flat else (3.0 * len(panels), 3.4)
    figure, axes = start(width, height, *shape)
    for axis, (name, rows) in zip(axes.flat, panels, strict=True):
        show(axis, rows, name)
    figure.suptitle(
        f"{place_name(config)}: a column a class"
        if len(panels[0][1]) == 1
        else f"{place_name(config)}: an image a class",
        fontsize=10,
    )
    return figure


def side_by_side(config: dict[str, Any], panels: list[tuple[str, list]], classes: list[str]) -> Figure:
    """A panel a set, a row a class with its name on the left."""
    figure, axes = start(0.8 + 3.0 * len(panels), 3.6, 1, len(panels))
    for axis, (name, rows) in zip(axes.flat, panels, strict=True):
        show(axis, rows, name)
    side = panels[0][1][0][0].shape[-1] + 1
    axes[0, 0].set_yticks([side * i + side / 2 - 1 for i in range(len(classes))], classes, fontsize=8)
    axes[0, 0].tick_params(left=False, pad=2)
    shown = max(map(len, panels[0][1]))
    figure.suptitle(f"{place_name(config)}{'' if config['ipc'] <= shown else f' ({shown} shown)'}", fontsize=10)
    return figure


def show(axis: Any, rows: list, name: str) -> None:
    """One mosaic with its title, without axes."""
    axis.imshow(mosaic(rows), interpolation="nearest")
    axis.set_title(name)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
