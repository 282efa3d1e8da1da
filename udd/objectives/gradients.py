"""The gradient of Eq. 10 on the training images of one class: a pure function of tensors, run as it is or compiled
(udd.objectives.execution)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from udd.networks.architectures import Network
from udd.networks.precision import Precision, rounded
from udd.objectives import losses


class Embedding(nn.Module):
    """A network that gives its embedding beside its logits."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images [B, K, H, W] -> logits [B, C], embedding [B, E]."""
        _, embedding = self.network.features(x)
        return self.network.classifier(embedding), embedding


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
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The gradient of L_g + weight L_c (Eq. 10) on the augmented training images of one class, [Q, K, H, W].

    weights: the network's, by name and without a graph; label []: the class; target: its real gradient on the matched
    weights; averages: F [C, D]. Also returns L_g [], L_c [], f [D].
    """
    labels = label.expand(len(inputs))

    def cross_entropy(weights: dict[str, Tensor], inputs: Tensor) -> tuple[Tensor, Tensor]:
        logits, embedding = functional_call(network, weights, (inputs,))
        return F.cross_entropy(logits.to(inputs.dtype), labels), embedding.to(inputs.dtype)

    def total(inputs: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        found, embedding = grad(cross_entropy, has_aux=True)(weights, inputs)
        loss_gradient = losses.gradient_distance(target, losses.chosen(found.values(), matched), distance)  # Eq. 9
        feature = embedding.mean(0)
        loss_cfc = losses.cfc(feature, averages, label, temperature)  # Eq. 7
        return loss_gradient + cfc_weight * loss_cfc, (loss_gradient, loss_cfc, feature)

    with rounded(inputs, precision):
        return grad(total, has_aux=True)(inputs)
