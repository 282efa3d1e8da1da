"""The utilisation of normal samples against their standard deviation (Fig. 8): it must rise and flatten."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from udd.evaluation.utilization import spread_experiment
from udd.reports.figures.style import COLOURS, Sources, start

SPREADS = [0.01 * step for step in range(1, 101)]
SAMPLES, SIZE = 500, 64


def draw(config: dict[str, Any], _sources: Sources) -> Figure:
    """mUE with its standard deviation over samples as a band."""
    found = spread_experiment(SPREADS, config["intervals"], SAMPLES, SIZE)
    figure, axes = start(5.2, 3.2)
    axis = axes[0, 0]
    mean = [point["mue"] for point in found]
    axis.fill_between(
        SPREADS, [m - p["mue_std"] for m, p in zip(mean, found, strict=True)], [m + p["mue_std"] for m, p in zip(mean,
        found, strict=True)],
        color=COLOURS[0], alpha=0.25, linewidth=0, label=f"± standard deviation over {SAMPLES} samples",
    )  # fmt: skip
    axis.plot(SPREADS, mean, color=COLOURS[0], label=f"mean; a sample: {SIZE} values")
    axis.set(
        xlabel="standard deviation of the samples / length of the range",
        ylabel="mUE (0 to 1)",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axis.set_title("Normal samples around the middle of the range, confined to it")
    axis.legend(frameon=False, loc="lower right", fontsize=8)
    return figure
