"""The pixels' rate by how far they are to move (`image_move`). The gradient of the objective differs tens of times in
length between distances, data sets and ages of the networks, so a rate that suits one is none for another; how far a
step moves the pixels says more (docs/cached-proxies.md)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from torch import Tensor

from udd.errors import UserError

LOOKS = 24  # at a random cached network, age and draw each


def by_move(config: dict[str, Any], gradient: Callable[[int], Tensor]) -> float:
    """The rate, image_lr, with which a step without momentum moves the pixels at the start by `image_move`: root mean
    square over all pixels, and the mean over LOOKS networks. In three digits.

    gradient: of the pixels [C, B, K, H, W] at the start, at the look of this number. Raises UserError if it
    is nought or not finite.
    """
    felt = statistics.fmean(gradient(look).square().mean().sqrt().item() for look in range(LOOKS))
    if not 0 < felt < float("inf"):
        found = (
            f"{config['variant']}: image_move: found a gradient of {felt} on the pixels at the start, expected a "
            "finite one above 0"
        )
        raise UserError(
            f"{found}; lower net_lr where the cached networks went astray, else write image_lr in place of image_move"
        )
    return float(f"{10 * config['distill']['image_move'] / (felt * config['ipc']):.3g}")
