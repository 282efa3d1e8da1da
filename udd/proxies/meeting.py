"""What a step of a method meets: a network, a real batch of every class or what was computed of it, and the
augmentation that real and synthetic images share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from udd.networks.architectures import Network
from udd.networks.augment import Draws
from udd.objectives.execution import Execution
from udd.objectives.matching import Target


def no_expert(age: int) -> tuple[Tensor, ...]:
    """What a method meets that says nothing of experts."""
    raise LookupError(f"age {age}: this run has no cache")


class Meeting(NamedTuple):
    """real: uint8 [C, R, K, H, W], empty where the target is given; draws: one a class; mean, std [K]; generator: the
    set's own random stream, networks: that of networks a method makes itself; outer, inner: where the schedule stands,
    from 0; logged: whether the step's scalars are written down; anew: whether the network is another than at the step
    before; target: of the real batch, where it was computed before; expert: the weights of a random cached network at
    an age, for a method that meets EXPERTS, and share: a random number in [0, 1) beside it."""

    network: Network
    real: Tensor
    draws: Draws
    mean: Tensor
    std: Tensor
    generator: torch.Generator
    networks: torch.Generator
    execution: Execution
    outer: int
    inner: int
    logged: bool
    anew: bool
    target: Target | None = None
    expert: Callable[[int], tuple[Tensor, ...]] = no_expert
    share: float = 0.0


Scalars = dict[str, Tensor]  # name -> [C], one number a class, or []
