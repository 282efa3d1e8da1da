"""Descent on the pixels by embeddings: what first-order methods (DANCE, NCFM, UDD-features) have in common.

Classes go through the network together, as many at a time as a batch holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from udd.networks import augment
from udd.networks.architectures import Network, images_at_once
from udd.objectives.features import Distance, embedded, image_gradient
from udd.objectives.gradients import Embedding
from udd.proxies.meeting import Meeting
from udd.synthetic.regions import Windows, crop_resize


class Aligned(NamedTuple):
    """The gradient on the pixels [C, B, K, H, W]; of each class the distance of its embeddings and the cross-entropy of
    its training images [C]."""

    gradient: Tensor
    distance: Tensor
    cross_entropy: Tensor


def augmented(images: Tensor, meeting: Meeting, classes: range) -> Tensor:
    """Images of some classes [n, Q, K, H, W], normalised, under their classes' draws."""
    count = images.shape[1]
    draws = {
        name: values[classes.start : classes.stop].repeat_interleave(count, 0) for name, values in meeting.draws.items()
    }
    inputs = augment.normalise(augment.as_float(images.flatten(0, 1), meeting.mean.dtype), meeting.mean, meeting.std)
    return augment.apply(inputs, draws).unflatten(0, (-1, count))


def decoded(images: Tensor, pairs: Tensor, among: Windows) -> Tensor:
    """The training images of some classes from their (image, window) pairs. [n, B, K, H, W], int64
    [n, Q, 2] -> [n, Q, K, H, W]."""
    # Of each class, in the row of all images
    first = images.shape[1] * torch.arange(len(images), device=images.device).unsqueeze(1)
    image = (first + pairs[:, :, 0]).flatten()
    return crop_resize(images.flatten(0, 1)[image], pairs[:, :, 1].flatten(), among).unflatten(0, pairs.shape[:2])


def groups(classes: int, images: int, side: int) -> list[range]:
    """The classes, in as few groups as hold no more images than go through a network at once."""
    each = max(1, images_at_once(side) // images)
    return [range(start, min(start + each, classes)) for start in range(0, classes, each)]


@torch.no_grad()
def real_embeddings(network: Network, meeting: Meeting) -> Tensor:
    """The embeddings of every class's real batch. [C, R, D]."""
    model, real = Embedding(network), meeting.real
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    run = meeting.execution.execute(embedded)
    parts = groups(real.shape[0], real.shape[1], real.shape[-1])
    return torch.cat([run(model, weights, augmented(real[part.start : part.stop], meeting, part)) for part in parts])


def alignment(
    network: Network,
    images: Tensor,
    pairs: Tensor,
    among: Windows,
    target: Sequence[Tensor],
    shares: tuple[float, float],
    distance: Distance,
    meeting: Meeting,
) -> Aligned:
    """The gradient on the pixels of all classes. images [C, B, K, H, W], trained on as (image, window) pairs
    [C, Q, 2]; target: [C, ...] each."""
    model, run = Embedding(network), meeting.execution.execute(image_gradient)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    of = (images.new_tensor(shares[0]), images.new_tensor(shares[1]))
    gradients, distances, entropies = [], [], []
    for part in groups(len(pairs), pairs.shape[1], images.shape[-1]):
        chosen, labels = slice(part.start, part.stop), torch.arange(part.start, part.stop, device=images.device)
        pixels = images[chosen].detach().requires_grad_()
        inputs = augmented(decoded(pixels, pairs[chosen], among), meeting, part)
        found, (apart, entropy) = run(
            model, weights, inputs.detach(), labels, [each[chosen] for each in target], of, distance
        )
        gradients.append(torch.autograd.grad(inputs, pixels, found)[0])
        distances.append(apart)
        entropies.append(entropy)
    return Aligned(torch.cat(gradients), torch.cat(distances), torch.cat(entropies))
