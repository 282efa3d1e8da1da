"""How old the cached networks of a method of gradients may be: gradients of networks that know the data say little (docs/cached-proxies.md), so one
network is trained on trial, and says how soon it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.networks.architectures import Network
from udd.networks.training import accuracy
from udd.proxies import caching
from udd.proxies.fresh import Trajectory, class_index

Distill = dict[str, Any]
KNOWN, ASKED = 95, 500  # percent right of so many random training images, as many of each class, by which a network knows the data
AGE_KEYS = ("cache_ages", "cache_spacing", "net_images")
LOOKED = 1 / 4  # of the oldest network's images is the most that a network is trained on to find out, where no time is given


def oldest(distill: Distill) -> int:
    """The real images that a cached network has been trained on at its last age."""
    return (distill["cache_ages"] - 1) * distill["cache_spacing"] * distill["net_images"]


def younger(distill: Distill, known: int) -> Distill:
    """The keys by which a cached network is no older than one that knows the data; none where it would be younger in any case, or known is 0."""
    if not known or known >= oldest(distill):
        return {}
    trainings, images = distill["cache_ages"] - 1, distill["net_images"]
    return {"cache_spacing": max(1, known // (trainings * images)), "net_images": min(images, max(1, known // trainings))}


def first_known(distill: Distill, data: Dataset) -> int:
    """After how many real images a network as those of the cache knows the data; 0: not within LOOKED of the oldest one's."""
    made = caching.begun(data, distill, 0)
    one = distill | {"cache_spacing": 1}
    caching.grown(made, data, one)
    return learned(made, data, one, lambda: made.inner * distill["net_images"] >= LOOKED * oldest(distill))


def learned(made: Trajectory, data: Dataset, distill: Distill, stop: Callable[[], bool]) -> int:
    """After how many real images a network knows the data, trained on until it does; 0 if it does not before `stop` says so."""
    index = class_index(data.train_labels, len(data.classes))
    while not knows(made.network, data, index, made.training):
        if stop():
            return 0
        caching.grown(made, data, distill)
    return made.inner * distill["cache_spacing"] * distill["net_images"]


@torch.no_grad()
def knows(network: Network, data: Dataset, index: tuple[Tensor, Tensor], generator: torch.Generator) -> bool:
    """Whether a network classifies nearly all of some random training images, without augmentation. index: as of udd.proxies.fresh.class_index."""
    places, counts = index
    u = torch.rand(len(counts), -(-ASKED // len(counts)), generator=generator, device=places.device)
    chosen = places.gather(1, (u * counts.unsqueeze(1)).long()).flatten()
    return accuracy(network, data.train_images[chosen], data.train_labels[chosen], data.mean, data.std) >= KNOWN
