"""A random matching problem: what one step of distillation works on, of any IPC and type."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.settings import Size, planned
from udd.networks import augment
from udd.networks.architectures import Network, build
from udd.objectives.matching import Work
from udd.synthetic.regions import Windows, corner_windows, training_pairs


class Problem(NamedTuple):
    """A network, a set's images and what it trains on (Work), a real batch a class uint8 [c, R, 3, H, W], one
    augmentation a class, and the channels' mean and standard deviation. The network may know more classes than
    the c that are gone through."""

    network: Network
    work: Work
    real: Tensor
    draws: augment.Draws
    mean: Tensor
    std: Tensor


def windows_of_each(among: Windows, ipc: int, classes: int, own: dict[str, Any], source: torch.Generator) -> Tensor:
    """The (image, window) pairs of every class [c, Q, 2]: the whole of each image and P random
    windows, at most `max_pairs`."""
    order = torch.rand(classes, ipc, len(among.boxes), generator=source, device=source.device).argsort(-1)
    return training_pairs(order[..., : own["selected"]], among, own["max_pairs"], source)


def problem(size: Size, outputs: int, ipc: int, device: torch.device) -> Problem:
    """A problem in float32 with UDD's options in params.yaml. outputs: the classes of the network."""
    options, own, source = planned()["distill"], planned()["udd"], torch.Generator(device).manual_seed(ipc)
    with torch.device(device):
        images = torch.rand(size.classes, ipc, 3, size.side, size.side, generator=source)
        real = torch.randint(
            0, 256, (size.classes, size.real, 3, size.side, size.side), generator=source, dtype=torch.uint8
        )
        network = build(options["network"], 3, size.side, outputs, size.width, source)
        averages = torch.rand(outputs, network.classifier.in_features, generator=source)
        mean, std = torch.full((3,), 0.5), torch.full((3,), 0.25)
    among = corner_windows(size.side, own["scales"], True, images)
    pairs = windows_of_each(among, ipc, size.classes, own, source)
    draws = augment.draw(options["matching_augment"], size.classes, size.side, source)
    return Problem(network, Work(images, pairs, among, averages, own), real, draws, mean, std)


def in_float64(given: Problem) -> Problem:
    """The same problem in float64; its network is a copy."""
    work, among = given.work, given.work.among
    among = Windows(
        among.boxes, *corner_windows(given.real.shape[-1], planned()["udd"]["scales"], True, work.images.double())[1:]
    )
    doubled = work._replace(images=work.images.double(), among=among, averages=work.averages.double())
    draws = {name: values.double() for name, values in given.draws.items()}
    return Problem(
        deepcopy(given.network).double(), doubled, given.real, draws, given.mean.double(), given.std.double()
    )
