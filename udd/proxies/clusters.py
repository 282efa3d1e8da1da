"""Real batches that stand for their class (`real_batch: clusters`; DREAM, Liu et al. 2023): of each of `batch_real`
k-means clusters of a class's embeddings the image nearest to the centre.

Images are embedded normalised and without augmentation. Everything else that is random (networks, augmentation) is what
it is with random batches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.networks.architectures import Network
from udd.networks.clustering import embeddings, representatives

Distill = dict[str, Any]


def clustered(distill: Distill) -> bool:
    """Whether real batches are chosen by clusters. A configuration of random ones may lack the key."""
    return distill.get("real_batch") == "clusters"


def due(distill: Distill, outer: int, inner: int) -> bool:
    """Whether batches are chosen anew at a step: every `cluster_every` steps on a network, from its first; where a
    network has but one, every `cluster_every` networks."""
    return (inner if distill["inner"] > 1 else outer) % distill["cluster_every"] == 0


def chosen(
    network: Network, data: Dataset, index: tuple[Tensor, Tensor], distill: Distill, generator: torch.Generator
) -> Tensor:
    """Which images stand for each class under the network: their places among all, int64 [C, R]. index: as
    udd.proxies.fresh.class_index has it."""
    found = []
    for places, count in zip(index[0], index[1].tolist(), strict=True):
        own = places[:count]
        points = embeddings(network, data.train_images[own], data, distill["precision"])
        found.append(own[representatives(points, distill["batch_real"], generator)])
    return torch.stack(found)
