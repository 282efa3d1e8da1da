"""What all figures share: where files lie, colours, names, mosaics of images, saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import seaborn
from cycler import cycler
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from udd.config.compare import difference
from udd.config.plan import Cell
from udd.errors import UserError
from udd.files import atomic_path
from udd.reports import names
from udd.reports.figures.lettering import lend_fonts, plain
from udd.reports.names import dataset
from udd.reports.pictures import hard
from udd.synthetic.sets import SyntheticSet, load

COLOURS = seaborn.color_palette("colorblind").as_hex()
THEME: dict[str, Any] = seaborn.axes_style("ticks") | seaborn.plotting_context("paper")
THEME |= {"font.family": "sans-serif", "axes.prop_cycle": cycler(color=COLOURS), "pdf.fonttype": 42}
THEME |= {"axes.titlesize": 9, "savefig.dpi": 200}
# Within it figures look alike, and the caller's own settings of matplotlib stay what they are
themed = partial(rc_context, THEME)  # type: ignore[arg-type]  # its keys are texts
NO_DATES: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None, "ModDate": None},
}


class Sources(NamedTuple):
    """Where files lie: the tree of results, the folder of accuracy.csv and utilization.csv, raw data."""

    results: Path
    collected: Path
    root: Path


def set_path(sources: Sources, config: dict[str, Any], folder: str = "synthetic", suffix: str = "safetensors") -> Path:
    """The file of a set's configuration below a folder of the results."""
    cell = Cell(config["dataset"]["name"], config["ipc"], config["variant"])
    return sources.results / folder / cell.folder / f"seed{config['seed']}.{suffix}"


def read_set(sources: Sources, config: dict[str, Any]) -> SyntheticSet:
    """The set of a configuration, soft labels as their likeliest. Raises UserError if the one in its place was made by
    another."""
    path = set_path(sources, config)
    made = load(path)
    if differing := difference(made.metadata["config"], config):
        raise UserError(f"{path}: made with another configuration: {differing}; distil it again")
    return made._replace(labels=hard(made.labels))


def colours(count: int) -> list[str]:
    """So many colours that can be told apart: those of the palette, or more evenly spread ones."""
    return COLOURS[:count] if count <= len(COLOURS) else seaborn.husl_palette(count).as_hex()


def variant_name(config: Mapping[str, Any], name: str) -> str:
    """A variant as figures show its name."""
    return plain(names.variant_name(config, name))


def place_name(config: dict[str, Any]) -> str:
    """Data set and IPC of a figure."""
    return (
        f"{plain(dataset(config, config['dataset']))}, {config['ipc']} image{'' if config['ipc'] == 1 else 's'} per "
        "class"
    )


class Shown(Figure):
    """A figure that no other part of a program hears of, as one of pyplot would be; a notebook shows it."""

    def savefig(self, *arguments: Any, **options: Any) -> None:
        """As matplotlib's, in our theme: ticks are drawn only now."""
        with themed():
            super().savefig(*arguments, **options)

    def _repr_png_(self) -> bytes:
        kept = BytesIO()
        self.savefig(kept, format="png", dpi=150)
        return kept.getvalue()


def start(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of `width` x `height` inches and its axes, as an array [rows, columns]."""
    figure = Shown(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def pixels(image: Tensor) -> np.ndarray:
    """One image [K, H, W] in [0, 1] as matplotlib shows it: [H, W, 3]."""
    shown = image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


def mosaic(rows: Sequence[Sequence[Tensor]], gap: int = 1) -> np.ndarray:
    """Rows of images [K, H, W] on one white sheet, `gap` pixels apart; short rows end early. [height, width, 3]."""
    side, columns = rows[0][0].shape[-1], max(len(row) for row in rows)
    sheet = np.ones((len(rows) * (side + gap) - gap, columns * (side + gap) - gap, 3), dtype=np.float32)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (side + gap), j * (side + gap)
            sheet[top : top + side, left : left + side] = pixels(image)
    return sheet


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure as PNG or PDF, by each path's suffix, atomically and without dates: the same
    figure gives the same bytes."""
    lend_fonts(figure)
    for path in paths:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=NO_DATES[path.suffix])
