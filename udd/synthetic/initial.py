"""Where a set begins and ends: the images that a distillation starts from (Sec. 2.1; IDC's `mix`),
and what of it is stored."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.data import Dataset
from udd.networks.augment import as_float
from udd.synthetic.regions import grid_boxes
from udd.synthetic.sets import SyntheticSet


def draw_real(images: Tensor, labels: Tensor, classes: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` different images of each class, drawn at random (again from the start if a class has fewer).
    [C, count, K, H, W], type of `images`."""
    drawn = []
    for label in range(classes):
        of_class = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(of_class), generator=generator, device=images.device)
        drawn.append(images[of_class[order.repeat(-(-count // len(order)))[:count]]])
    return torch.stack(drawn)


def real(images: Tensor, labels: Tensor, classes: int, ipc: int, generator: torch.Generator) -> Tensor:
    """Random real images of each class, float32 [C, IPC, K, H, W] in [0, 1]."""
    return as_float(draw_real(images, labels, classes, ipc, generator))


def mix(images: Tensor, labels: Tensor, classes: int, ipc: int, factor: int, generator: torch.Generator) -> Tensor:
    """Each image a factor x factor grid of random real images of its class, float32 [C, IPC, K, H, W] in [0, 1]."""
    return grids(draw_real(images, labels, classes, ipc * factor**2, generator), factor)


def grids(images: Tensor, factor: int) -> Tensor:
    """Grids of down-sized images, each of factor x factor: [C, IPC * factor**2, K, H, W] -> float32
    [C, IPC, K, H, W] in [0, 1].

    By the mean over the pixels that one covers, where IDC's code takes the nearest pixel.
    """
    cells = images.unflatten(1, (-1, factor**2))  # [C, IPC, cells, K, H, W]
    made = torch.empty(cells[:, :, 0].shape, device=images.device)
    for cell, (top, left, height, width) in enumerate(grid_boxes(images.shape[-1], factor).tolist()):
        small = F.interpolate(as_float(cells[:, :, cell]).flatten(0, 1), (height, width), mode="area")
        made[..., top : top + height, left : left + width] = small.unflatten(0, made.shape[:2])
    return made


def noise(data: Dataset, ipc: int, generator: torch.Generator) -> Tensor:
    """Normalised pixels from N(0, 1), as DC's and CAFE's code starts: float32 [C, IPC, K, H, W], some beyond [0, 1]."""
    device, shape = data.train_images.device, (len(data.classes), ipc, *data.train_images.shape[1:])
    mean, std = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (data.mean, data.std))
    return mean + std * torch.randn(shape, generator=generator, device=device)


def start(config: dict[str, Any], data: Dataset, generator: torch.Generator) -> Tensor:
    """The images that a configuration starts from, float32 [C, IPC, K, H, W]; in [0, 1], but for noise."""
    options, given = config["distill"], (data.train_images, data.train_labels, len(data.classes), config["ipc"])
    if options["init"] == "noise":
        return noise(data, config["ipc"], generator)
    if options["init"] == "mix_clusters":
        # By name: its code counts for such sets alone (udd.methods.modules)
        representative = import_module("udd.synthetic.representative")
        return grids(
            representative.stand_ins(options, data, config["ipc"] * options["factor"] ** 2, generator),
            options["factor"],
        )
    return mix(*given, options["factor"], generator) if options["init"] == "mix" else real(*given, generator)


def normalised_rate(rate: float, std: Tensor) -> Tensor:
    """A rate that was published for normalised pixels, as one for pixels in [0, 1]: x = std y + mean, so a step on y of
    the gradient by y, std times that by x, moves x by std times as much again. std [K] -> [K, 1, 1]."""
    return rate * std.square().view(-1, 1, 1)


def as_set(
    images: Tensor, boxes: Tensor, whole: bool, data: Dataset, config: dict[str, Any], provenance: dict[str, Any]
) -> SyntheticSet:
    """A set of images [C, IPC, K, H, W], clamped to [0, 1], with candidate windows int64 [N, 4]; whole:
    whether the images train too."""
    labels = torch.arange(len(data.classes)).repeat_interleave(config["ipc"])
    metadata = {"dataset": data.name, "classes": data.classes, "mean": data.mean, "std": data.std}
    metadata |= {"whole": whole, "config": config, "provenance": provenance}
    return SyntheticSet(images.detach().clamp(0, 1).flatten(0, 1).cpu(), labels, boxes.cpu(), metadata)
