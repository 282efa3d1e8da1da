"""Other ways through the matching step, tried against ours: all classes at once by torch.vmap, compiled.

Batched over classes, a convolution's weight gradient becomes a grouped convolution; as a product with unfolded
patches, a batched product.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from benchmarks.problem import Problem
from udd.networks import augment
from udd.networks.architectures import Network
from udd.networks.compilation import compiled
from udd.networks.precision import PRECISIONS, Precision, rounded
from udd.objectives.gradients import Embedding, image_gradient
from udd.objectives.matching import cfc_options
from udd.synthetic.regions import decode


class Unfolded(nn.Module):
    """A 3x3 convolution, padded to its input's size, as a matrix product with unfolded patches."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        assert convolution.bias is not None
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """[B, I, H, W] -> [B, O, H, W]."""
        patches = F.unfold(x, 3, padding=1)  # [B, 9 I, H W]
        return (self.weight.flatten(1) @ patches).unflatten(-1, x.shape[-2:]) + self.bias.view(-1, 1, 1)


def unfolded(network: Network) -> Network:
    """A copy of a ConvNet-3 whose convolutions are products."""
    made = deepcopy(network)
    for block in made.blocks:
        assert isinstance(block, nn.Sequential)
        for name, layer in block.named_children():
            if isinstance(layer, nn.Conv2d):
                setattr(block, name, Unfolded(layer))
    return made


def real_gradients(
    model: Embedding, weights: dict[str, Tensor], inputs: Tensor, labels: Tensor, precision: Precision
) -> list[Tensor]:
    """The gradients of every class's real batch [c, R, K, H, W] on the convolutions' weights, each [c, ...]."""

    def loss(weights: dict[str, Tensor], inputs: Tensor, label: Tensor) -> Tensor:
        logits, _ = functional_call(model, weights, (inputs,))
        return F.cross_entropy(logits.to(inputs.dtype), label.expand(len(inputs)))

    with rounded(inputs, precision):
        found = torch.vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, labels)
    return [found[name] for name, weight in weights.items() if weight.ndim == 4]


def image_gradients(
    model: Embedding, weights: dict[str, Tensor], inputs: Tensor, labels: Tensor, target: list[Tensor], rest: tuple
) -> Tensor:
    """The gradients of Eq. 10 on every class's training images [c, Q, K, H, W]."""
    return torch.vmap(lambda x, label, found: image_gradient(model, weights, x, label, found, *rest)[0])(
        inputs, labels, target
    )


def at_once(given: Problem, network: Network, precision: str) -> Callable[[], Tensor]:
    """The matching step, all classes at once: a function that gives the image gradients [c, B, K, H, W]."""
    work, model, kind = given.work, Embedding(network), PRECISIONS[precision]
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    labels = torch.arange(len(given.real), device=given.real.device)
    rest: tuple[Any, ...] = (*cfc_options(work), work.options["distance"], work.options["matched"], kind)
    real, synthetic = compiled(real_gradients), compiled(image_gradients)

    def seen(images: Tensor, label: int) -> Tensor:
        return augment.apply(augment.normalise(images, given.mean, given.std), augment.pick(given.draws, label))

    def step() -> Tensor:
        pixels = work.images.detach().requires_grad_()
        target = real(
            model,
            weights,
            torch.stack([seen(augment.as_float(x, given.mean.dtype), n) for n, x in enumerate(given.real)]),
            labels,
            kind,
        )
        inputs = torch.stack(
            [seen(decode(x, pairs, work.among), n) for n, (x, pairs) in enumerate(zip(pixels, work.pairs, strict=True))]
        )
        found = synthetic(model, weights, inputs.detach(), labels, target, rest)
        return torch.autograd.grad(inputs, pixels, found)[0]

    return step


def variants(given: Problem) -> dict[str, Callable[[], Tensor]]:
    """The variants by name; none where their memory, of all classes at once, is more than a CPU has."""
    if given.real.device.type == "cpu" and given.work.pairs[..., 0].numel() > 128:
        return {}
    products = unfolded(given.network)
    ways = {"vmap": given.network, "vmap, unfolded": products}
    return {
        f"{name}, {kind} compiled": at_once(given, network, kind)
        for name, network in ways.items()
        for kind in ("float32", "bfloat16")
    }
