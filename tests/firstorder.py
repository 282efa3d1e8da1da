"""What tests of first-order methods share: their configurations, small, and what a step meets."""

from __future__ import annotations

from typing import Any

import torch
from tiny import noise, of_method

from udd.networks import augment
from udd.networks.streams import stream
from udd.objectives.execution import EAGER
from udd.proxies.meeting import Meeting

METHODS = ["dance", "ncfm", "udd-features"]


def small(name: str, **changes: Any) -> dict[str, Any]:
    """A method's configuration for the data set `tiny`; few frequencies for NCFM."""
    found = of_method(name, **({"batch_real": 5} | changes))
    return found | ({"ncfm": found["ncfm"] | {"frequencies": 32}} if name == "ncfm" else {})


def meeting(model, images: int = 3) -> Meeting:
    """What a step meets, in float64."""
    draws = augment.draw(["color", "crop", "cutout"], 3, 8, stream("cpu", "draws"), torch.float64)
    mean, std = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64), torch.tensor([0.2, 0.25, 0.3], dtype=torch.float64)
    random = stream("cpu", "some")
    return Meeting(
        model, noise(3, images, 3, 8, 8, seed=9), draws, mean, std, random, random, EAGER, 0, 0, logged=False, anew=True
    )
