"""What the synthetic images are optimised for: gradient matching (Eq. 9) and the category-wise feature
contrastive loss (Eqs. 7, 8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def chosen(tensors: Iterable[Tensor], matched: str) -> list[Tensor]:
    """Of a network's parameters, or their gradients, those that are matched: the convolutions' weights alone, or
    all."""
    return [tensor for tensor in tensors if matched == "all" or tensor.ndim == 4]


def matched_weights(network: nn.Module, matched: str) -> list[Tensor]:
    """The parameters whose gradients are matched."""
    return chosen(network.parameters(), matched)


def gradient_distance(real: Sequence[Tensor], synthetic: Sequence[Tensor], distance: str) -> Tensor:
    """L_g (Eq. 9): squared (mse) or absolute (l1, as IDC on MNIST) differences of two gradients, summed
    over all weights. A scalar."""
    power = 2 if distance == "mse" else 1
    return torch.stack([(a - b).abs().pow(power).sum() for a, b in zip(real, synthetic, strict=True)]).sum()


def cfc(feature: Tensor, averages: Tensor, label: Tensor | int, temperature: Tensor | float) -> Tensor:
    """L_c of one class (Eq. 7). feature: its mean feature f [D]; averages: the moving averages F [C, D],
    constant here. A scalar.

    As printed, the denominator leaves the class itself out, so the loss can be negative.
    """
    similarity = F.cosine_similarity(feature, averages.detach(), dim=-1) / temperature  # [C]
    own = torch.arange(len(averages), device=averages.device) == label
    return similarity.masked_fill(own, -torch.inf).logsumexp(0) - similarity.masked_fill(~own, 0).sum()


def moving_average(averages: Tensor, features: Tensor, alpha: float) -> Tensor:
    """F <- alpha F + (1 - alpha) f (Eq. 8). [C, D]."""
    return alpha * averages + (1 - alpha) * features
