"""What a distillation says while it runs: log lines, a live bar when run by hand, and loss curves as data."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from udd.files import write_atomic
from udd.methods.udd import Distilled
from udd.objectives.matching import Matched

COLUMNS = ("iteration", "outer", "loss", "loss_gradient", "loss_cfc", "grad_norm_gradient", "grad_norm_cfc", "images_per_second", "seconds")


def curve_row(made: Distilled, got: Matched, iteration: int, outer: int, rate: float, seconds: float) -> Tensor:
    """One row of a set's loss curve, float64 [columns]: losses are means over classes, norms are over all pixels of the set."""
    cfc = torch.zeros_like(got.gradient) if got.gradient_cfc is None else got.gradient_cfc
    losses = (got.loss_gradient.mean(), got.loss_cfc.mean(), (got.gradient - cfc).norm(), cfc.norm())
    gradient, contrast, norm_gradient, norm_cfc = (value.item() for value in losses)
    total = gradient + made.options["cfc_weight"] * contrast
    return torch.tensor([iteration, outer, total, gradient, contrast, norm_gradient, norm_cfc, rate, seconds], dtype=torch.float64)


def curve_csv(rows: Tensor) -> str:
    """The loss curve as CSV: float64 [rows, columns] -> text."""
    lines = (",".join(f"{value:.10g}" for value in row) for row in rows.tolist())
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def write_curve(path: Path, rows: Tensor) -> None:
    """Write a loss curve atomically."""
    write_atomic(path, curve_csv(rows))


def duration(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def log_line(made: Distilled, row: Tensor, total: int, eta: float) -> str:
    """One line about one set: where it is, loss parts, gradient norms, images a second, time to go."""
    iteration, _, _, gradient, contrast, norm_gradient, norm_cfc, rate, _ = row.tolist()
    return (
        f"{made.config['variant']} {iteration:.0f}/{total} | L_g {gradient:.4g} L_c {contrast:.4g} "
        f"| |dL_g| {norm_gradient:.3g} |dL_c| {norm_cfc:.3g} | {rate:.0f} images/s | {duration(eta)} to go"
    )


class Pace:
    """Images a second and time to go, measured since this process began."""

    def __init__(self, done: int, total: int, images_a_step: int):
        self.begun, self.done, self.total, self.images = time.monotonic(), done, total, images_a_step

    def rate(self, done: int) -> float:
        """Images a second so far: real, synthetic and those that train the network."""
        return (done - self.done) * self.images / max(time.monotonic() - self.begun, 1e-9)

    def to_go(self, done: int) -> float:
        """Seconds until the last iteration, at the pace so far."""
        return (self.total - done) * (time.monotonic() - self.begun) / max(done - self.done, 1)


def bar(total: int, done: int):
    """A live bar on a terminal; nothing where the output is a log."""
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit="step", disable=not sys.stderr.isatty(), file=sys.stderr, leave=False)
