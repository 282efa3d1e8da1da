"""Means, sample standard deviations, and the paired difference of two variants with its 95 % interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEVEL = 0.95


class Difference(NamedTuple):
    """A mean difference and its interval (None from one pair alone); `n` pairs of `unit`:
    distillation seeds, or networks."""

    mean: float
    low: float | None
    high: float | None
    n: int
    unit: str


def summary(values: Sequence[float]) -> tuple[float, float | None, int]:
    """Mean, sample standard deviation (n - 1; None for one value) and n."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values)


def as_text(values: Sequence[float]) -> str:
    """`44.1 ± 0.7`; of one value, which has no deviation, `44.1`."""
    mean, std, _ = summary(values)
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % confidence interval of the mean; None for one value."""
    from scipy.stats import t

    mean, std, n = summary(values)
    if std is None:
        return None
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * std / math.sqrt(n)
    return mean - half, mean + half


def paired(ours: Mapping[tuple[int, int], float], theirs: Mapping[tuple[int, int], float]) -> Difference | None:
    """The mean difference `ours` - `theirs` over the (distillation seed, network seed) that both
    have; None if there are none.

    Networks on one set are not independent evidence about the way the set was made: differences are averaged over
    networks within a distillation seed, and the interval is Student's over the seeds. With a single seed it is over the
    networks, and then says nothing of how another distillation would come out; `unit` tells which.
    """
    by_seed: dict[int, list[float]] = {}
    for seed, network in sorted(ours.keys() & theirs.keys()):
        by_seed.setdefault(seed, []).append(ours[seed, network] - theirs[seed, network])
    if not by_seed:
        return None
    several = len(by_seed) > 1
    values = [statistics.fmean(of_seed) for of_seed in by_seed.values()] if several else next(iter(by_seed.values()))
    low, high = interval(values) or (None, None)
    return Difference(statistics.fmean(values), low, high, len(values), "seeds" if several else "networks")
