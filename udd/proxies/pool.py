"""The pool of networks (`networks: pool`): each trained once a data set and seed, and kept for every distillation that meets them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from udd.data import Dataset
from udd.proxies import fresh as trajectory


def trained(data: Dataset, distill: dict[str, Any], seed: int, member: int) -> list[dict[str, Tensor]]:
    """The weights of a pool's network after 0, 1, ..., `inner` inner steps."""
    made = trajectory.start(data, distill, seed)
    made.outer = member
    trajectory.new_network(made, data, distill)
    states = [copied(made)]
    for _ in range(distill["inner"]):
        trajectory.train_on(made, data, distill)
        states.append(copied(made))
    return states


def copied(made: trajectory.Trajectory) -> dict[str, Tensor]:
    """The network's weights as they are now."""
    return {name: weight.detach().clone() for name, weight in made.network.named_parameters()}
