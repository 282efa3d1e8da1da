"""The gradient of Eq. 10, forward over reverse: the tangent of the pixels' gradient along the difference of the
gradients on the weights.

L_g depends on the pixels x through g(x), the cross-entropy's gradient on the weights, alone. With v = dL_g/dg (for
`mse` 2 (g - target)), held fixed, dL_g/dx is the derivative of the cross-entropy's gradient on x along v in the
weights: no graph of a graph. L_c joins as the part that grows with the same parameter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, jvp

from udd.networks.precision import Precision, rounded
from udd.objectives import losses
from udd.objectives.gradients import Embedding


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
    """As udd.objectives.gradients.image_gradient."""
    names = [name for name, weight in weights.items() if matched == "all" or weight.ndim == 4]

    def seen(weights: dict[str, Tensor], inputs: Tensor) -> tuple[Tensor, Tensor]:
        logits, embedding = functional_call(network, weights, (inputs,))
        return F.cross_entropy(logits.to(inputs.dtype), label.expand(len(inputs))), embedding.to(inputs.dtype).mean(0)

    def total(found: list[Tensor], feature: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        loss_gradient = losses.gradient_distance(target, found, distance)  # Eq. 9
        loss_cfc = losses.cfc(feature, averages, label, temperature)  # Eq. 7
        return loss_gradient + cfc_weight * loss_cfc, (loss_gradient, loss_cfc)

    def along(step: Tensor, v: list[Tensor], slope: Tensor) -> Tensor:
        moved = weights | {name: weights[name] + step * each for name, each in zip(names, v, strict=True)}

        def loss(inputs: Tensor) -> Tensor:
            cross_entropy, feature = seen(moved, inputs)
            return cross_entropy + step * (feature * slope).sum()

        return grad(loss)(inputs)

    with rounded(inputs, precision):
        gradients, feature = grad(seen, has_aux=True)(weights, inputs)
        found = [gradients[name] for name in names]
        (v, slope), parts = grad(total, argnums=(0, 1), has_aux=True)(found, feature)
        step = torch.zeros_like(cfc_weight)
        pixels = jvp(lambda step: along(step, v, slope), (step,), (torch.ones_like(step),))[1]
    return pixels, (*parts, feature)
