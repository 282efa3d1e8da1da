"""The matching step: the gradient of L_syn = L_g + L_c (Eq. 10) on the pixels of every class at once.

A class's images get gradient from that class's loss alone, so all classes are stepped at once; only the moving averages
in L_c then lag by one step. How the classes are gone through is this file's business: here, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from udd.networks import augment
from udd.networks.architectures import Network, images_at_once
from udd.objectives import losses
from udd.objectives.execution import EAGER, Execution
from udd.objectives.gradients import Embedding
from udd.synthetic.regions import Windows, decode


class Target(NamedTuple):
    """What is known of the real batch of every class from before: the mean cross-entropy gradient on each of the
    network's parameters [C, ...], in their order, and the mean embedding [C, E]."""

    gradients: tuple[Tensor, ...]
    features: Tensor


class Work(NamedTuple):
    """What one set brings to a step: its images [C, B, K, H, W], the (image, window) pairs to train on [C, Q, 2], the
    windows they number, its moving average features F [C, D], and what is matched: distance, matched, cfc, cfc_weight,
    cfc_temperature of its configuration."""

    images: Tensor
    pairs: Tensor
    among: Windows
    averages: Tensor
    options: dict


class Matched(NamedTuple):
    """What one set gets from a step: the gradient on the pixels [C, B, K, H, W], L_g and L_c of each class [C], mean
    features f [C, D], and, where asked for, the part of the gradient that L_c gives (else None)."""

    gradient: Tensor
    loss_gradient: Tensor
    loss_cfc: Tensor
    features: Tensor
    gradient_cfc: Tensor | None


def real_gradient(
    network: Network,
    images: Tensor,
    label: int,
    draws: augment.Draws,
    mean: Tensor,
    std: Tensor,
    matched: str,
    execution: Execution,
) -> tuple[Tensor, ...]:
    """The mean cross-entropy gradient on a real batch of one class (the target of Eq. 9). images [R, K, H, W],
    bytes or floats in [0, 1]."""
    inputs = augment.apply(augment.normalise(augment.as_float(images, mean.dtype), mean, std), draws)
    labels = torch.full((len(images),), label, device=images.device)
    loss, _ = execution.loss(network, inputs, labels, labels, torch.ones_like(mean[0]))
    return torch.autograd.grad(loss, losses.matched_weights(network, matched))


def class_step(
    network: Network,
    work: Work,
    label: int,
    target: Sequence[Tensor],
    draws: augment.Draws,
    mean: Tensor,
    std: Tensor,
    parts: bool,
    execution: Execution,
) -> Matched:
    """One class of one set: the gradient of Eq. 10 on its pixels [B, K, H, W], L_g, L_c, mean feature [D], the
    gradient of L_c or None."""
    options = work.options
    pixels = work.images[label].detach().requires_grad_()
    inputs = augment.apply(augment.normalise(decode(pixels, work.pairs[label], work.among), mean, std), draws)
    own, model = torch.full((), label, device=pixels.device), Embedding(network)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    found, (loss_gradient, loss_cfc, feature) = execution.image_gradient(
        model, weights, inputs.detach(), own, target, *cfc_options(work), options["distance"], options["matched"]
    )
    gradient_cfc = None
    if parts and options["cfc"]:
        (gradient_cfc,) = torch.autograd.grad(
            inputs, pixels, cfc_gradient(network, inputs, label, work, execution.chunk), retain_graph=True
        )
    (gradient,) = torch.autograd.grad(inputs, pixels, found)
    return Matched(
        gradient, loss_gradient, loss_cfc if options["cfc"] else torch.zeros_like(loss_cfc), feature, gradient_cfc
    )


def cfc_options(work: Work) -> tuple[Tensor, Tensor, Tensor]:
    """F [C, D], the weight of L_c [] and its temperature []. Without CFC the weight is 0, and F too: 0 times a
    broken class's F is no number."""
    options, averages = work.options, work.averages
    temperature = averages.new_full((), options["cfc_temperature"])
    if not options["cfc"]:
        return torch.zeros_like(averages), averages.new_zeros(()), temperature
    return averages, averages.new_full((), options["cfc_weight"]), temperature


def cfc_gradient(network: Network, inputs: Tensor, label: int, work: Work, chunk: int | None = None) -> Tensor:
    """The part of L_c in the gradient on the training images [Q, K, H, W] of a class, for the log;
    at most `chunk` images at once."""
    parts = [part.detach().requires_grad_() for part in inputs.split(chunk or len(inputs))]
    with torch.no_grad():
        feature = torch.cat([network.features(part)[1] for part in parts]).mean(0).requires_grad_()
    loss_cfc = work.options["cfc_weight"] * losses.cfc(feature, work.averages, label, work.options["cfc_temperature"])
    # Of L_c by the mean feature [D]: an image's share of that is its own
    (slope,) = torch.autograd.grad(loss_cfc, feature)
    found = (torch.autograd.grad((network.features(part)[1] @ slope).sum() / len(inputs), part)[0] for part in parts)
    return torch.cat(list(found))


def stacked(classes: Sequence[Matched]) -> Matched:
    """The results of single classes as one."""
    columns = (None if column[0] is None else torch.stack(column) for column in zip(*classes, strict=True))
    return Matched(*columns)  # type: ignore[arg-type]


def matching_step(
    network: Network,
    work: Work,
    real: Tensor,
    draws: augment.Draws,
    mean: Tensor,
    std: Tensor,
    parts: bool = False,
    execution: Execution = EAGER,
    given: Target | None = None,
) -> Matched:
    """The image gradients of all classes (Algorithm 1, lines 4-8).

    real: a batch of every class [C, R, K, H, W], bytes or floats in [0, 1]; draws: one augmentation a class, shared by
    its real and synthetic images (DSA). parts: also give the gradient of L_c alone. given: the real gradients, where
    they were computed before; the batch is not looked at then.
    """
    done, matched = [], work.options["matched"]
    for label in range(len(work.images)):
        draw = augment.pick(draws, label)
        if given:
            target = losses.chosen([gradient[label] for gradient in given.gradients], matched)
        else:
            target = real_gradient(network, real[label], label, draw, mean, std, matched, execution)
        done.append(class_step(network, work, label, target, draw, mean, std, parts, execution))
    return stacked(done)


@torch.no_grad()
def mean_features(network: Network, images: Tensor, pairs: Tensor, among: Windows, mean: Tensor, std: Tensor) -> Tensor:
    """The mean feature of every class's training images, un-augmented: what F starts from with a new
    network (Eq. 8). [C, D]."""
    batches = (
        augment.normalise(decode(of_class, chosen, among), mean, std)
        for of_class, chosen in zip(images, pairs, strict=True)
    )
    each = images_at_once(images.shape[-1])
    return torch.stack(
        [torch.cat([network.features(part)[1] for part in batch.split(each)]).mean(0) for batch in batches]
    )
