"""The matching step: the gradient of L_syn = L_g + L_c (Eq. 10) on the pixels of every class at once.

A class's images get gradient from that class's loss alone, so all classes are stepped at once; only the moving averages in L_c then lag by
one step. How the classes are gone through is this file's business: here, one after the other. Several sets (cells that share a network's
schedule) can be stepped on the same network, real batches and augmentation: the real gradient, most of the cost, is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from udd import augment, losses
from udd.networks import Network
from udd.regions import Windows, decode


class Work(NamedTuple):
    """What one set brings to a step: its images [C, B, K, H, W], the (image, window) pairs to train on [C, Q, 2], the windows they number,
    its moving average features F [C, D], and its configuration."""

    images: Tensor
    pairs: Tensor
    among: Windows
    averages: Tensor
    distill: dict


class Matched(NamedTuple):
    """What one set gets from a step: the gradient on the pixels [C, B, K, H, W], L_g and L_c of each class [C], mean features f [C, D],
    and, where asked for, the part of the gradient that L_c gives (else None)."""

    gradient: Tensor
    loss_gradient: Tensor
    loss_cfc: Tensor
    features: Tensor
    gradient_cfc: Tensor | None


def weight_gradients(loss: Tensor, weights: Sequence[Tensor], create_graph: bool = False) -> tuple[Tensor, ...]:
    """The gradient of a loss on the matched weights."""
    return torch.autograd.grad(loss, weights, create_graph=create_graph)


def real_gradient(
    network: Network, weights: Sequence[Tensor], images: Tensor, label: int, draws: augment.Draws, mean: Tensor, std: Tensor
) -> tuple[Tensor, ...]:
    """The mean cross-entropy gradient on a real batch of one class (the target of Eq. 9). images [R, K, H, W], bytes or floats in [0, 1]."""
    inputs = augment.apply(augment.normalise(augment.as_float(images, mean.dtype), mean, std), draws)
    labels = torch.full((len(images),), label, device=images.device)
    return weight_gradients(F.cross_entropy(network(inputs), labels), weights)


def class_step(
    network: Network,
    weights: Sequence[Tensor],
    work: Work,
    label: int,
    target: Sequence[Tensor],
    draws: augment.Draws,
    mean: Tensor,
    std: Tensor,
    parts: bool,
) -> Matched:
    """One class of one set: the gradient of Eq. 10 on its pixels [B, K, H, W], L_g, L_c, mean feature [D], the gradient of L_c or None."""
    options = work.distill
    pixels = work.images[label].detach().requires_grad_()
    inputs = augment.apply(augment.normalise(decode(pixels, work.pairs[label], work.among), mean, std), draws)
    _, embedding = network.features(inputs)
    labels = torch.full((len(inputs),), label, device=pixels.device)
    found = weight_gradients(F.cross_entropy(network.classifier(embedding), labels), weights, create_graph=True)
    loss_gradient = losses.gradient_distance(target, found, options["distance"])  # Eq. 9
    feature = embedding.mean(0)
    loss_cfc = losses.cfc(feature, work.averages, label, options["cfc_temperature"]) if options["cfc"] else loss_gradient.new_zeros(())  # Eq. 7
    gradient_cfc = None
    if parts and options["cfc"]:
        (gradient_cfc,) = torch.autograd.grad(options["cfc_weight"] * loss_cfc, pixels, retain_graph=True)
    (gradient,) = torch.autograd.grad(loss_gradient + options["cfc_weight"] * loss_cfc, pixels)  # Eq. 10
    return Matched(gradient, loss_gradient.detach(), loss_cfc.detach(), feature.detach(), gradient_cfc)


def stacked(classes: Sequence[Matched]) -> Matched:
    """The results of single classes as one."""
    columns = (None if column[0] is None else torch.stack(column) for column in zip(*classes, strict=True))
    return Matched(*columns)  # type: ignore[arg-type]


def matching_step(
    network: Network, works: Sequence[Work], real: Tensor, draws: augment.Draws, mean: Tensor, std: Tensor, parts: bool = False
) -> list[Matched]:
    """The image gradients of every set, for all classes (Algorithm 1, lines 4-8).

    real: a batch of every class [C, R, K, H, W], bytes or floats in [0, 1]; draws: one augmentation a class, shared by its real and
    synthetic images (DSA). parts: also give the gradient of L_c alone. All sets must match the same weights.
    """
    weights = losses.matched_weights(network, works[0].distill["matched"])
    steps: list[list[Matched]] = [[] for _ in works]
    for label in range(len(real)):
        draw = augment.pick(draws, label)
        target = real_gradient(network, weights, real[label], label, draw, mean, std)
        for work, done in zip(works, steps, strict=True):
            done.append(class_step(network, weights, work, label, target, draw, mean, std, parts))
    return [stacked(done) for done in steps]


@torch.no_grad()
def mean_features(network: Network, images: Tensor, pairs: Tensor, among: Windows, mean: Tensor, std: Tensor) -> Tensor:
    """The mean feature of every class's training images, un-augmented: what F starts from with a new network (Eq. 8). [C, D]."""
    batches = (augment.normalise(decode(of_class, chosen, among), mean, std) for of_class, chosen in zip(images, pairs, strict=True))
    return torch.stack([network.features(batch)[1].mean(0) for batch in batches])
