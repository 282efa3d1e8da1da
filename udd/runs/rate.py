"""The pixels' rate by how far they are to move (`image_move`). The gradient of the objective differs a hundredfold in length between data sets,
distances and ages of the networks, and one rate serves them all no better; a step of the same length does (docs/cached-proxies.md)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from torch import Tensor

from udd.errors import UserError

LOOKS = 24  # cached networks, at whatever ages, that the gradient is asked of


def by_move(config: dict[str, Any], gradient: Callable[[int], Tensor]) -> float:
    """The rate, image_lr, with which a step without momentum moves the pixels at the start by `image_move`: root mean square over all pixels, and the
    mean over LOOKS networks. In three digits, so that another device finds the same.

    gradient: of the pixels [C, B, K, H, W] at the start, on the network of this number. Raises UserError if it is nought or not finite.
    """
    felt = statistics.fmean(gradient(look).square().mean().sqrt().item() for look in range(LOOKS))
    if not 0 < felt < float("inf"):
        raise UserError(f"image_move: found a gradient of {felt} on the pixels at the start, which tells no rate; write image_lr in place of it")
    return float(f"{10 * config['distill']['image_move'] / (felt * config['ipc']):.3g}")
