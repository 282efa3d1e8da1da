"""Activation maps, and the windows that the network uses least drawn on the images (Figs. 2, 3, 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from udd.config.drawings import reference_path
from udd.config.sections import takes_all
from udd.evaluation.chosen import searched
from udd.evaluation.reference import ReferenceNetworks, activation_maps
from udd.evaluation.reference import load as load_reference
from udd.evaluation.views import own_section
from udd.networks.streams import stream
from udd.reports.figures.lettering import plain
from udd.reports.figures.real import dataset_of, real_by_class
from udd.reports.figures.style import COLOURS, Sources, pixels, place_name, read_set, start, variant_name
from udd.synthetic.regions import windows
from udd.synthetic.sets import SyntheticSet

CLASSES = 8  # columns
SHORT = 16  # characters of a class's name above its column


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """For real images and each set: a row of images, with the windows its policy chooses, above their maps under the
    first reference network."""
    reference = load_reference(sources.results / reference_path(config["dataset"]))
    dataset = dataset_of(config["dataset"], sources)
    columns = min(CLASSES, len(dataset.classes))
    real = torch.stack([row[0] for row in real_by_class(dataset, 1)[:columns]])
    rows: list[tuple[str, Tensor, SyntheticSet | None, Tensor]] = [("Real", real, None, torch.arange(columns))]
    for found in config["sets"]:
        made = read_set(sources, found)
        first = torch.stack([(made.labels == label).nonzero()[0, 0] for label in range(columns)])
        rows.append((variant_name(config, found["variant"]), made.images[first], made, first))
    sides = window_sides([made for _, _, made, _ in rows if made is not None])
    figure, axes = start(0.95 * columns + 1.2, 2.1 * len(rows) + 0.5, 2 * len(rows), columns)
    for number, (name, images, made, index) in enumerate(rows):
        shown = fill(axes[2 * number : 2 * number + 2], images, reference)
        axes[2 * number, 0].set_ylabel(name)
        axes[2 * number + 1, 0].set_ylabel("activation")
        if made is not None:
            for axis, numbers in zip(axes[2 * number], chosen(made, index, reference), strict=True):
                outline(axis, made, numbers, sides)
    for axis, name in zip(axes[0], dataset.classes, strict=False):
        axis.set_title(plain(name, SHORT), fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.5, extend="max", label="mean activation of the last block, first proxy")
    legend(figure, sides)
    figure.suptitle(f"{place_name(config)}: the first image of a class", fontsize=10)
    return figure


def fill(axes: Any, images: Tensor, reference: ReferenceNetworks) -> Any:
    """Draw images in the upper and their maps in the lower row of axes, on one colour scale."""
    mean, std = reference.metadata["mean"], reference.metadata["std"]
    found = activation_maps(reference.networks[0], images, mean, std).numpy()
    for column, image in enumerate(images):
        axes[0, column].imshow(pixels(image), interpolation="nearest")
        shown = axes[1, column].imshow(
            found[column], cmap="viridis", vmin=0, vmax=reference.tops[0], interpolation="nearest"
        )
        for axis in axes[:, column]:
            axis.set_xticks([])
            axis.set_yticks([])
    return shown


def window_sides(sets: Sequence[SyntheticSet]) -> list[int]:
    """The sides that windows of these sets have, in pixels."""
    return sorted({int(height) for made in sets for height in made.windows[:, 2]})


def chosen(made: SyntheticSet, index: Tensor, reference: ReferenceNetworks) -> list[list[int]]:
    """The numbers of the windows that the set's own policy chooses for some of its images [n], by
    the first reference network."""
    if not len(made.windows):
        return [[] for _ in index]
    among = windows(made.windows, made.images.shape[-1], made.metadata["whole"], made.images)
    mean, std = (torch.tensor(reference.metadata[name]) for name in ("mean", "std"))
    options = own_section(made)
    if takes_all(options):
        return [list(range(len(made.windows))) for _ in index]
    choose = searched(reference.networks[0], among, mean, std, options, stream("cpu", "figures", "maps"))
    return choose(made.images[index], made.labels[index]).tolist()


def outline(axis: Any, made: SyntheticSet, numbers: list[int], sides: list[int]) -> None:
    """Draw some windows on an image, a colour a side, slightly staggered so that those that share
    an edge can be told apart."""
    whole = made.images.shape[-1]
    for top, left, height, width in made.windows[numbers].tolist():
        rank = sides.index(height)
        inset = whole * (0.01 + 0.03 * rank)
        place = (left - 0.5 + inset, top - 0.5 + inset)
        axis.add_patch(
            Rectangle(place, width - 2 * inset, height - 2 * inset, fill=False, linewidth=0.9, edgecolor=COLOURS[rank])
        )


def legend(figure: Figure, sides: list[int]) -> None:
    """Say which colour is which side of window."""
    if sides:
        handles = [Line2D([], [], color=COLOURS[rank], label=f"{side} pixels") for rank, side in enumerate(sides)]
        style = {
            "loc": "outside lower center",
            "ncols": len(sides),
            "fontsize": 8,
            "title_fontsize": 8,
            "frameon": False,
        }
        figure.legend(handles=handles, title="side of the chosen windows", **style)
