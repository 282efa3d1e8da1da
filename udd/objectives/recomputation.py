"""The gradient of Eq. 10 in little memory: a class's training images are passed a few at a time, twice.

The loss sees them only through their mean gradient and mean feature. The first pass adds these up and keeps nothing
else; the loss's derivatives with respect to them are small; the second pass takes each chunk through the network again
and pulls them back to its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad

from udd.networks.precision import Precision, rounded
from udd.objectives import losses
from udd.objectives.gradients import Embedding


def means(
    network: Embedding,
    weights: dict[str, Tensor],
    part: Tensor,
    label: Tensor,
    matched: str,
    share: float,
    precision: Precision = None,
) -> tuple[list[Tensor], Tensor]:
    """What some images [n, K, H, W] of a class, `share` of them all, add to its mean gradient on the matched
    weights and mean feature [D]."""

    def cross_entropy(weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        logits, embedding = functional_call(network, weights, (part,))
        loss = F.cross_entropy(logits.to(part.dtype), label.expand(len(part)))
        return share * loss, share * embedding.to(part.dtype).mean(0)

    with rounded(part, precision):
        found, feature = grad(cross_entropy, has_aux=True)(weights)
    return losses.chosen(found.values(), matched), feature


def pulled_back(
    network: Embedding,
    weights: dict[str, Tensor],
    part: Tensor,
    label: Tensor,
    slopes: Sequence[Tensor],
    matched: str,
    share: float,
    precision: Precision = None,
) -> Tensor:
    """The gradient on some images' pixels [n, K, H, W], given the loss's derivatives by the mean gradient and,
    last, by the mean feature."""

    def along(part: Tensor) -> Tensor:
        found, feature = means(network, weights, part, label, matched, share, precision)
        return torch.stack([(a * b).sum() for a, b in zip((*found, feature), slopes, strict=True)]).sum()

    return grad(along)(part)


def image_gradient(
    network: Embedding,
    weights: dict[str, Tensor],
    inputs: Tensor,
    label: Tensor,
    target: Sequence[Tensor],
    averages: Tensor,
    cfc_weight: Tensor,
    temperature: Tensor,
    distance: str,
    matched: str,
    precision: Precision = None,
    chunk: int = 1,
    run: tuple[Callable[..., Any], Callable[..., Any]] = (means, pulled_back),
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """As udd.objectives.gradients.image_gradient, with at most `chunk` images at a time; `run`: the two passes,
    as they are or compiled."""
    parts = [(part, len(part) / len(inputs)) for part in inputs.split(chunk)]
    sums: list[Tensor] = []
    for part, share in parts:
        gradients, mean = run[0](network, weights, part, label, matched, share, precision)
        sums = [a + b for a, b in zip(sums, (*gradients, mean), strict=True)] if sums else [*gradients, mean]
    *found, feature = (each.requires_grad_() for each in sums)
    loss_gradient = losses.gradient_distance(target, found, distance)  # Eq. 9
    loss_cfc = losses.cfc(feature, averages, label, temperature)  # Eq. 7
    slopes = torch.autograd.grad(loss_gradient + cfc_weight * loss_cfc, [*found, feature])
    pixels = torch.cat(
        [run[1](network, weights, part, label, slopes, matched, share, precision) for part, share in parts]
    )
    return pixels, (loss_gradient.detach(), loss_cfc.detach(), feature.detach())
