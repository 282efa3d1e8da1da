"""k-means, and the images that stand for a class: of each cluster of their embeddings the nearest to the centre
(DREAM, Liu et al. 2023)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.data import Dataset
from udd.networks.architectures import Network, images_at_once
from udd.networks.augment import as_float, normalise
from udd.networks.precision import PRECISIONS, rounded

MOST = 100  # rounds of Lloyd's algorithm, which mostly ends by itself before


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
    """Lloyd's algorithm from random points, until no point changes its centre. [N, D] -> centres
    [count, D], each point's centre [N]."""
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
    """The point nearest to each centre of `count` clusters; of fewer points than that all, again and again.
    [N, D] -> int64 [count]."""
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
