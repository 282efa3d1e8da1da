"""The network side of Algorithm 1: random networks trained on real data. It never sees a synthetic image.

It depends on data set, architecture and seed alone, so every IPC, policy and ablation of a seed meets the same
networks, the same real batches and the same augmentation: ablations are paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from udd.data import Dataset
from udd.networks import augment
from udd.networks.architectures import Network, build, initialise
from udd.networks.streams import stream
from udd.networks.training import SGD, sgd, sgd_step, step_player
from udd.objectives.execution import Execution, execution_of


@dataclass
class Trajectory:
    """Where the networks' side stands: the current network and its optimiser, two random streams,
    and the iteration to do next."""

    network: Network
    optimizer: SGD
    execution: Execution
    draws: torch.Generator  # real batches and matching augmentation
    training: torch.Generator  # initialisation and training of the networks
    outer: int = 0
    inner: int = 0
    play: Callable[..., Any] | None = None  # what calls the network's training step; None before the first of a network


def recipe(distill: dict) -> dict:
    """The configuration of the network's training (Eq. 6), in the words of udd.networks.training."""
    named = {key: distill[f"net_{key}"] for key in ("lr", "momentum", "weight_decay", "augment")}
    return named | {"cutmix_beta": distill["cutmix_beta"], "cutmix_p": distill["cutmix_p"]}


def start(data: Dataset, distill: dict, seed: int, chunk: int | None = None) -> Trajectory:
    """A trajectory before its first network. chunk: as udd.objectives.execution.execution_of takes it."""
    device = data.train_images.device
    training, draws = (stream(device, what, data.name, distill["network"], seed) for what in ("networks", "real"))
    network = fresh_network(data, distill, training)
    how = execution_of(distill, network, data.train_images[:1], len(data.classes), chunk)
    return Trajectory(network, sgd(network, recipe(distill)), how, draws, training)


def fresh_network(data: Dataset, distill: dict, generator: torch.Generator) -> Network:
    """A new random network for the data set's images."""
    _, channels, side, _ = data.train_images.shape
    return build(distill["network"], channels, side, len(data.classes), distill["width"], generator).to(
        generator.device
    )


def new_network(trajectory: Trajectory, data: Dataset, distill: dict) -> None:
    """Randomly initialise the network (Algorithm 1, line 2) and, where the configuration
    says so, train it a few epochs."""
    # In place: a compiled function stays bound to the network it met
    initialise(trajectory.network, trajectory.training)
    trajectory.optimizer, trajectory.play = sgd(trajectory.network, recipe(distill)), None
    train_network(trajectory, data, distill, distill["pretrain_epochs"] * len(data.train_images))


def train_on(trajectory: Trajectory, data: Dataset, distill: dict) -> None:
    """The network's training between two inner steps (Algorithm 1, lines 9 and 10)."""
    train_network(trajectory, data, distill, distill["net_images"])


def train_network(trajectory: Trajectory, data: Dataset, distill: dict, images: int) -> None:
    """Train the network on that many real images, batch by batch (Eq. 6)."""
    batch, count, generator = distill["net_batch"], len(data.train_images), trajectory.training
    steps = -(-images // batch)
    if not steps:
        return
    rounds = -(-steps * batch // count)
    order = torch.cat([torch.randperm(count, generator=generator, device=generator.device) for _ in range(rounds)])
    # Once, not at every step
    mean, std = (torch.tensor(values, device=generator.device) for values in (data.mean, data.std))
    options = (recipe(distill), mean, std, generator, trajectory.execution.loss)
    trajectory.play = trajectory.play or step_player(trajectory.optimizer, generator)
    for index in order[: steps * batch].split(batch):
        trajectory.play(
            sgd_step,
            trajectory.network,
            trajectory.optimizer,
            data.train_images[index],
            data.train_labels[index],
            *options,
        )


def class_index(labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Where the images of each class are: int64 [C, largest class] (padded with 0) and the classes' counts [C]."""
    places = [(labels == label).nonzero()[:, 0] for label in range(classes)]
    return nn.utils.rnn.pad_sequence(places, batch_first=True), torch.tensor(
        [len(place) for place in places], device=labels.device
    )


def real_batches(
    trajectory: Trajectory, data: Dataset, index: tuple[Tensor, Tensor], distill: dict
) -> tuple[Tensor, augment.Draws]:
    """A random real batch of every class, uint8 [C, R, K, H, W], and one matching augmentation a
    class (Algorithm 1, line 5).

    Images are drawn with replacement; a class of at most R is taken whole, each of its images as
    often as another, or once more.
    """
    (places, counts), size, generator = index, distill["batch_real"], trajectory.draws
    u, n = torch.rand(len(counts), size, generator=generator, device=places.device), counts.unsqueeze(1)
    evenly = (torch.arange(size, device=places.device) + u[:, :1]) * n / size
    drawn = places.gather(1, torch.where(n > size, u * n, evenly).long().minimum(n - 1))  # [C, R]
    draws = augment.draw(distill["matching_augment"], len(counts), data.train_images.shape[-1], generator)
    return data.train_images[drawn], draws
