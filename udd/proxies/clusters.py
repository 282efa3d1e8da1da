"""Real batches that stand for their class (`real_batch: clusters`; DREAM, Liu et al. 2023): of each of `batch_real` k-means clusters of a
class's embeddings the image nearest to the centre.

Images are embedded normalised and without augmentation. Everything else that is random (networks, augmentation) is what it is with random batches.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.data import Dataset
from udd.networks.architectures import Network, images_at_once
from udd.networks.augment import as_float, normalise
from udd.networks.precision import PRECISIONS, rounded

Distill = dict[str, Any]
MOST = 100  # rounds of Lloyd's algorithm, which mostly ends by itself before


def clustered(distill: Distill) -> bool:
    """Whether real batches are chosen by clusters. A configuration of random ones may lack the key."""
    return distill.get("real_batch") == "clusters"


def due(distill: Distill, outer: int, inner: int) -> bool:
    """Whether batches are chosen anew at a step: every `cluster_every` steps on a network, from its first; where a network has but one, every
    `cluster_every` networks."""
    return (inner if distill["inner"] > 1 else outer) % distill["cluster_every"] == 0


def distances(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances, by products. [N, D], [k, D] -> [N, k]."""
    return points.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * points @ centres.T


def means(points: Tensor, nearest: Tensor, centres: Tensor) -> Tensor:
    """Every centre at the mean of its points, or where it was if it has none. [N, D], [N], [k, D] -> [k, D].

    By a product, whose sums have one order: those of index_add_ on a GPU have not.
    """
    member = F.one_hot(nearest, len(centres)).to(points.dtype)
    counts = member.sum(0).unsqueeze(1)
    return torch.where(counts > 0, member.T @ points / counts.clamp(min=1), centres)


def kmeans(points: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from random points, until no point changes its centre. [N, D] -> centres [count, D], each point's centre [N]."""
    order = torch.randperm(len(points), generator=generator, device=points.device)
    centres, before = points[order[:count]], order.new_full((len(points),), -1)
    nearest = distances(points, centres).argmin(1)
    for _ in range(MOST):
        if torch.equal(nearest, before):
            break
        centres, before = means(points, nearest, centres), nearest
        nearest = distances(points, centres).argmin(1)
    return centres, before


def representatives(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """The point nearest to each centre of `count` clusters; of fewer points than that all, again and again. [N, D] -> int64 [count]."""
    points = points - points.mean(0)  # near 0 squares are small, and their differences exact
    centres, _ = kmeans(points, min(count, len(points)), generator)
    found = distances(points, centres).argmin(0)
    return found.repeat(-(-count // len(found)))[:count]


@torch.no_grad()
def embeddings(network: Network, images: Tensor, data: Dataset, precision: str) -> Tensor:
    """The embeddings of real images, uint8 [n, K, H, W] -> [n, E]."""
    found = []
    for part in images.split(images_at_once(images.shape[-1])):
        inputs = normalise(as_float(part), data.mean, data.std)
        with rounded(inputs, PRECISIONS[precision]):
            found.append(network.features(inputs)[1].to(inputs.dtype))
    return torch.cat(found)


def chosen(network: Network, data: Dataset, index: tuple[Tensor, Tensor], distill: Distill, generator: torch.Generator) -> Tensor:
    """Which images stand for each class under the network: their places among all, int64 [C, R]. index: as udd.proxies.fresh.class_index has it."""
    found = []
    for places, count in zip(index[0], index[1].tolist(), strict=True):
        own = places[:count]
        points = embeddings(network, data.train_images[own], data, distill["precision"])
        found.append(own[representatives(points, distill["batch_real"], generator)])
    return torch.stack(found)
