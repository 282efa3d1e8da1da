"""A start from real images that stand for their class (`init: mix_clusters`; DREAM, Liu et al. 2023), as an
untrained network embeds them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.networks.architectures import build
from udd.networks.clustering import embeddings, representatives


@torch.no_grad()
def stand_ins(options: dict[str, Any], data: Dataset, count: int, generator: torch.Generator) -> Tensor:
    """Of each of `count` clusters of a class the image nearest to the centre (of fewer images all, again and again):
    uint8 [C, count, K, H, W]."""
    _, channels, side, _ = data.train_images.shape
    network = build(options["network"], channels, side, len(data.classes), options["width"], generator).to(
        generator.device
    )
    drawn = []
    for label in range(len(data.classes)):
        own = data.train_images[data.train_labels == label]
        drawn.append(own[representatives(embeddings(network, own, data, options["precision"]), count, generator)])
    return torch.stack(drawn)
