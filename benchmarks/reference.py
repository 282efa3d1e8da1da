"""The obvious way, in eager mode: class by class, with torch.autograd.grad(create_graph=True),
loss.backward() and torch.optim.SGD.

It shares with ours the network, the augmentation's operations (udd.networks.augment) and the random numbers;
nothing that is measured.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.problem import Problem
from udd.networks import augment
from udd.networks.architectures import Network

Groups = list[tuple[list[int] | None, Tensor]]  # a window (None: the whole image), and the images that it is cut from


def groups(given: Problem) -> list[Groups]:
    """What each class trains on, by window: one resizing a window, not one an image."""
    boxes = [*given.work.among.boxes.tolist(), None]
    return [
        [(box, pairs[pairs[:, 1] == n, 0]) for n, box in enumerate(boxes) if (pairs[:, 1] == n).any()]
        for pairs in given.work.pairs
    ]


def decoded(pixels: Tensor, among: Groups) -> Tensor:
    """The windows of a class's images [B, K, H, W], cropped and resized. [Q, K, H, W]."""
    made = []
    for box, images in among:
        top, left, height, width = box or (0, 0, *pixels.shape[-2:])
        crop = pixels[images, :, top : top + height, left : left + width]
        made.append(F.interpolate(crop, pixels.shape[-2:], mode="bilinear", align_corners=False) if box else crop)
    return torch.cat(made)


def inputs(images: Tensor, draws: augment.Draws, given: Problem) -> Tensor:
    """What the network sees of images in [0, 1]: normalised and augmented."""
    mean, std = given.mean.view(-1, 1, 1), given.std.view(-1, 1, 1)
    return augment.apply((images - mean) / std, draws)


def cfc(feature: Tensor, averages: Tensor, label: int, temperature: float) -> Tensor:
    """The contrastive loss (Eq. 7): as printed, its denominator leaves the class itself out."""
    similar = (F.cosine_similarity(feature, averages) / temperature).exp()
    return -(similar[label] / (similar.sum() - similar[label])).log()


def class_gradient(given: Problem, label: int, among: Groups) -> Tensor:
    """The gradient of L_g + L_c (Eq. 10) on the pixels of one class. [B, K, H, W]."""
    network, work, draws = given.network, given.work, augment.pick(given.draws, label)
    weights = [weight for weight in network.parameters() if weight.ndim == 4]
    real = inputs(given.real[label].to(given.mean.dtype) / 255, draws, given)
    target = torch.autograd.grad(
        F.cross_entropy(network(real), torch.full((len(real),), label, device=real.device)), weights
    )
    pixels = work.images[label].detach().requires_grad_()
    _, embedding = network.features(inputs(decoded(pixels, among), draws, given))
    labels = torch.full((len(embedding),), label, device=real.device)
    found = torch.autograd.grad(F.cross_entropy(network.classifier(embedding), labels), weights, create_graph=True)
    distance = torch.stack([(a - b).square().sum() for a, b in zip(target, found, strict=True)]).sum()
    loss = distance + work.options["cfc_weight"] * cfc(
        embedding.mean(0), work.averages, label, work.options["cfc_temperature"]
    )
    return torch.autograd.grad(loss, pixels)[0]


def matching_step(given: Problem, among: list[Groups]) -> Tensor:
    """The image gradients of all classes, one after the other. [c, B, K, H, W]."""
    return torch.stack([class_gradient(given, label, among[label]) for label in range(len(given.real))])


def network_step(
    network: Network,
    optimizer: torch.optim.SGD,
    images: Tensor,
    labels: Tensor,
    recipe: dict[str, Any],
    mean: Tensor,
    std: Tensor,
    source: torch.Generator,
) -> None:
    """One step of training on a batch of bytes [B, K, H, W]: normalise, augment each image by itself, CutMix,
    descend."""
    seen = (images / 255 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    seen = augment.augment(seen, recipe["augment"], source)
    seen, first, second, share = augment.cutmix(seen, labels, recipe["cutmix_beta"], recipe["cutmix_p"], source)
    logits = network(seen)
    loss = share * F.cross_entropy(logits, first) + (1 - share) * F.cross_entropy(logits, second)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
