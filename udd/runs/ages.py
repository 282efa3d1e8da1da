"""How old the cached networks of a method of gradients may be: gradients of networks that know the data say little
(docs/cached-proxies.md), so one network is trained on trial, and says how soon it does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from udd.config.caches import meets_cache
from udd.config.sections import MATCHING
from udd.data import Dataset
from udd.networks.architectures import Network
from udd.networks.training import accuracy
from udd.proxies import caching
from udd.proxies.fresh import Trajectory, class_index

Config = dict[str, Any]
# Percent right of so many random training images, as many of each class, by which a network knows the data
KNOWN, ASKED = 95, 500
AGE_KEYS = ("cache_spacing", "net_images")  # which say how old networks get, if they are given
# Of the oldest network's SGD steps are the most that one is trained for to find out, where no time is given
LOOKED = 1 / 2


def left_open(config: Config, given: Collection[str]) -> bool:
    """Whether the data may say how old the networks get: for a method of gradients, on a cache, unless keys of ages are
    given, or networks are trained before their first age."""
    matched = config["method"] in MATCHING and meets_cache(config)
    return matched and not set(AGE_KEYS) & set(given) and not config["distill"]["pretrain_epochs"]


def training_steps(distill: Config) -> int:
    """The SGD steps of a training between two ages at spacing 1: whole batches (udd.proxies.fresh.train_network)."""
    return -(-distill["net_images"] // distill["net_batch"])


def oldest(distill: Config) -> int:
    """The SGD steps that a cached network has taken at its last age, since its first."""
    return (distill["cache_ages"] - 1) * distill["cache_spacing"] * training_steps(distill)


def younger(distill: Config, known: int) -> Config:
    """The keys by which a cached network is no older than one that knows the data after so many SGD steps, at as many
    ages if these hold a step each; none where it would be younger in any case, or known is 0."""
    if not known or known >= oldest(distill):
        return {}
    trainings = min(distill["cache_ages"] - 1, known)
    each = known // trainings  # SGD steps between two ages
    spacing = each // training_steps(distill)
    fewer = {} if spacing else {"net_images": each * distill["net_batch"]}
    return {"cache_ages": trainings + 1, "cache_spacing": max(1, spacing)} | fewer


def first_known(distill: Config, data: Dataset) -> int:
    """After how many SGD steps a network as those of the cache knows the data; 0: not
    within LOOKED of the oldest one's."""
    made = caching.begun(data, distill, 0)
    one = distill | {"cache_spacing": 1}
    caching.grown(made, data, one)
    return learned(made, data, one, lambda: made.inner * training_steps(one) >= LOOKED * oldest(distill))


def learned(made: Trajectory, data: Dataset, distill: Config, stop: Callable[[], bool]) -> int:
    """After how many SGD steps a network knows the data, trained on until it does; 0 if
    it does not before `stop` says so."""
    index = class_index(data.train_labels, len(data.classes))
    while not knows(made.network, data, index, made.training):
        if stop():
            return 0
        caching.grown(made, data, distill)
    return made.inner * distill["cache_spacing"] * training_steps(distill)


@torch.no_grad()
def knows(network: Network, data: Dataset, index: tuple[Tensor, Tensor], generator: torch.Generator) -> bool:
    """Whether a network classifies nearly all of some random training images, without augmentation. index: as of
    udd.proxies.fresh.class_index."""
    places, counts = index
    u = torch.rand(len(counts), -(-ASKED // len(counts)), generator=generator, device=places.device)
    chosen = places.gather(1, (u * counts.unsqueeze(1)).long()).flatten()
    return accuracy(network, data.train_images[chosen], data.train_labels[chosen], data.mean, data.std) >= KNOWN
