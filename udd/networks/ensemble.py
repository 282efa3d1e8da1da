"""Several networks of one architecture trained at once: their weights are stacked, and every operation is batched over networks.

Each takes its batches, augmentation and CutMix from a random stream of its own, and so goes the way it would go alone (udd.networks.training). Meant
for GPUs, most of which one small network leaves idle; what that wins is not measured yet. A CPU loses by it (benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from udd.networks.architectures import Network
from udd.networks.augment import apply, as_float, cutmix_apply, cutmix_draw, draw, normalise
from udd.networks.training import PLAIN, SGD, Channels, batch_loss, batches, forward_batch, learning_rate

Weights = dict[str, Tensor]  # by name, of all networks: [M, ...]


def prepared(
    images: Tensor, labels: Tensor, recipe: Mapping[str, Any], mean: Tensor, std: Tensor, generators: Sequence[torch.Generator]
) -> tuple[Tensor, ...]:
    """A batch of each network [M, B, K, H, W] and its labels [M, B], made ready as udd.networks.training does: inputs, two labels each, and the
    first one's share [M]. What is random comes from each network's generator in its order; the images are worked on all at once."""
    count, side = images.shape[1], images.shape[-1]
    inputs = normalise(as_float(images.flatten(0, 1)), mean, std)  # [M B, K, H, W]
    drawn, mixes = [], []
    for generator in generators:
        drawn.append(draw(recipe["augment"], count, side, generator, inputs.dtype))
        mixes.append(cutmix_draw(count, side, recipe["cutmix_beta"], recipe["cutmix_p"], generator))
    inputs = apply(inputs, {name: torch.cat([draws[name] for draws in drawn]) for name in drawn[0]}).view(images.shape)
    boxes, orders, shares = (torch.stack(each) for each in zip(*mixes, strict=True))
    return vmap(cutmix_apply)(inputs, labels, boxes, orders, shares)


def losses(network: Network, weights: Weights, *batch: Tensor) -> Tensor:
    """The mean cross-entropy of every network on its batch. [M]."""

    def one(weights: Weights, *batch: Tensor) -> Tensor:
        return batch_loss(lambda inputs: functional_call(network, weights, (inputs,)), *batch)[0]  # type: ignore[arg-type]

    return vmap(one)(weights, *batch)


def train(
    networks: Sequence[Network],
    images: Tensor,
    labels: Tensor,
    recipe: Mapping[str, Any],
    mean: Channels,
    std: Channels,
    generators: Sequence[torch.Generator],
    after_epoch: Callable[[int, Weights, Tensor], None] | None = None,
    run: Callable[..., Tensor] = losses,
) -> Tensor:
    """Train as many networks, from their weights and each on its own generator, as udd.networks.training.train does one.

    `after_epoch(epochs done, weights, broken)` is called after each epoch; run: `losses`, as it is or compiled. Returns `broken`: for each
    network the epoch, from 1, whose loss was first not finite, or 0: int64 [M]. It ends early when none is finite any more.
    """
    recipe, device = PLAIN | dict(recipe), images.device
    mean, std = (torch.as_tensor(each, device=device) for each in (mean, std))
    weights, _ = stack_module_state(list(networks))  # type: ignore[arg-type]
    optimizer = SGD(weights.values(), recipe["lr"], recipe["momentum"], recipe["weight_decay"])
    broken = torch.zeros(len(networks), dtype=torch.int64, device=device)
    for epoch in range(recipe["epochs"]):
        optimizer.param_groups[0]["lr"] = learning_rate(recipe, epoch)
        total = torch.zeros(len(networks), device=device)
        for indices in zip(*(batches(len(images), recipe["batch"], generator) for generator in generators), strict=True):
            index = torch.stack(indices)  # [M, B]
            found = run(networks[0], weights, *prepared(images[index], labels[index], recipe, mean, std, generators))
            optimizer.step(torch.autograd.grad(found.sum(), list(weights.values())))
            total += found.detach()
        broken = torch.where((broken == 0) & ~total.isfinite(), epoch + 1, broken)
        if broken.all():
            break
        if after_epoch:
            after_epoch(epoch + 1, weights, broken)
    return broken


@torch.inference_mode()
def accuracies(network: Network, weights: Weights, images: Tensor, labels: Tensor, mean: Channels, std: Channels) -> list[float]:
    """The accuracy of such a network with each of the weights on the same images, in percent, as udd.networks.training.accuracy gives it."""
    device, many = images.device, len(next(iter(weights.values())))
    mean, std = (torch.as_tensor(each, device=device) for each in (mean, std))
    right = torch.zeros(many, dtype=torch.int64, device=device)
    each = max(1, forward_batch(device, images.shape[-1]) // many)
    for part, truth in zip(images.split(each), labels.split(each), strict=True):
        inputs = normalise(as_float(part), mean, std)
        logits = vmap(functional_call, in_dims=(None, 0, None))(network, weights, (inputs,))  # [M, B, C]
        right += (logits.argmax(-1) == truth).sum(-1)
    return [100 * count / len(images) for count in right.tolist()]
