"""What a distillation says while it runs: log lines, a live bar when run by hand, and loss curves as data."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from udd.files import write_atomic
from udd.proxies.meeting import Scalars

BEFORE, AFTER = ("iteration", "outer"), ("steps_per_second", "seconds")  # the curve's columns around a method's own


def columns(scalars: Scalars) -> list[str]:
    """The columns of a curve whose rows these scalars are."""
    return [*BEFORE, *scalars, *AFTER]


def curve_row(scalars: Scalars, iteration: int, outer: int, rate: float, seconds: float) -> Tensor:
    """One row of a set's curve, float64 [columns]: what a method has for each class is averaged."""
    values = [value.double().mean().item() for value in scalars.values()]
    return torch.tensor([iteration, outer, *values, rate, seconds], dtype=torch.float64)


def curve_csv(names: Sequence[str], rows: Tensor) -> str:
    """The curve as CSV: float64 [rows, columns] -> text."""
    lines = (",".join(f"{value:.10g}" for value in row) for row in rows.tolist())
    return "\n".join([",".join(names), *lines]) + "\n"


def write_curve(path: Path, names: Sequence[str], rows: Tensor) -> None:
    """Write a curve atomically."""
    write_atomic(path, curve_csv(names, rows))


def duration(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def log_line(variant: str, names: Sequence[str], row: Tensor, total: int, eta: float) -> str:
    """One line about a set: where it is, the method's scalars, steps a second, time to go."""
    found = dict(zip(names, row.tolist(), strict=True))
    own = " ".join(f"{name} {found[name]:.4g}" for name in names[len(BEFORE) : -len(AFTER)])
    return (
        f"{variant} {found['iteration']:.0f}/{total} | {own} | {found['steps_per_second']:.3g} steps/s | "
        f"{duration(eta)} to go"
    )


class Clock:
    """Steps a second and time to go, measured since this process began."""

    def __init__(self, done: int, total: int):
        self.begun, self.done, self.total = time.monotonic(), done, total

    def rate(self, done: int) -> float:
        """Steps a second so far."""
        return (done - self.done) / max(time.monotonic() - self.begun, 1e-9)

    def to_go(self, done: int) -> float:
        """Seconds until the last iteration, at the pace so far."""
        return (self.total - done) * (time.monotonic() - self.begun) / max(done - self.done, 1)


def bar(total: int, done: int):
    """A live bar on a terminal; nothing where the output is a log."""
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit="step", disable=not sys.stderr.isatty(), file=sys.stderr, leave=False)
