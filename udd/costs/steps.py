"""One step of each kind, alone: what is counted, timed and followed.

A step is the call of ours that takes a job's time, on images of no matter what content; jobs differ in how many steps
of which kind they take.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.networks.architectures import BUILDERS, Network
from udd.networks.augment import Draws, draw, normalise
from udd.networks.compilation import compiled
from udd.networks.precision import PRECISIONS, Precision, rounded
from udd.networks.training import SGD, batch_loss, sgd, sgd_step
from udd.objectives.execution import EAGER, Execution
from udd.objectives.gradients import image_gradient
from udd.objectives.matching import Work, class_step, real_gradient
from udd.synthetic.regions import Windows

# Choices that hardly change what a step costs: one for all.
OPERATIONS = ("color", "crop", "cutout")
TRAINING = {
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "augment": ["color", "crop"],
    "cutmix_beta": 1.0,
    "cutmix_p": 0.5,
}
MATCHING = {"distance": "mse", "matched": "convolutions", "cfc": True, "cfc_weight": 1.0, "cfc_temperature": 0.7}


class Model(NamedTuple):
    """A network for images of one shape."""

    architecture: str
    width: int
    channels: int
    side: int
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """[K, H, W] of its images."""
        return self.channels, self.side, self.side


class Step(NamedTuple):
    """One step of a kind in `KINDS` on so many images, in a precision, as it is or compiled."""

    kind: str
    model: Model
    images: int
    precision: str = "float32"
    compiled: bool = False


class Bench(NamedTuple):
    """What a step works on: a network, its optimiser as after a first step, how it is executed, images [n, K, H, W] in
    [0, 1], labels, all of class 0, an augmentation, a target of matching, a mean and standard deviation of the
    channels, and the step's precision."""

    network: Network
    optimizer: SGD
    execution: Execution
    images: Tensor
    labels: Tensor
    draws: Draws
    target: tuple[Tensor, ...]
    mean: Tensor
    std: Tensor
    precision: Precision


def new_network(model: Model, device: torch.device) -> Network:
    """A network with some weights or other, on the device."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.device(device):
        return Network(
            *BUILDERS[model.architecture](model.channels, model.side, model.width), model.shape, model.classes
        )


def bench(step: Step, device: torch.device) -> Bench:
    """All that the step needs, on the device."""
    model, network = step.model, new_network(step.model, device)
    loss, gradient = (
        partial(compiled(each) if step.compiled else each, precision=PRECISIONS[step.precision])
        for each in (batch_loss, image_gradient)
    )
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.device(device):
        images, labels = torch.rand(step.images, *model.shape), torch.zeros(step.images, dtype=torch.int64)
        mean, std = torch.full((model.channels,), 0.5), torch.full((model.channels,), 0.5)
    draws = draw(OPERATIONS, 1, model.side, torch.Generator(device))
    target = tuple(torch.zeros_like(weight) for weight in network.parameters() if weight.ndim == 4)
    made = Bench(
        network,
        sgd(network, TRAINING),
        Execution(loss, gradient),
        images,
        labels,
        draws,
        target,
        mean,
        std,
        PRECISIONS[step.precision],
    )
    train(made._replace(images=images[:1], labels=labels[:1], execution=EAGER))  # from here on there is momentum
    return made


def real(at: Bench) -> None:
    """The gradient on the weights of a batch of real images (the target of Eq. 9)."""
    real_gradient(at.network, at.images, 0, at.draws, at.mean, at.std, MATCHING["matched"], at.execution)


def synthetic(at: Bench) -> None:
    """The gradient on the pixels of one class's images, one window of each (Eq. 10)."""
    side, count, device = at.images.shape[-1], len(at.images), at.images.device
    matrices = torch.eye(side, device=device).unsqueeze(0)
    among = Windows(torch.zeros(1, 4, dtype=torch.int64, device=device), matrices, matrices, True)
    pairs = torch.stack(
        [torch.arange(count, device=device), torch.zeros(count, dtype=torch.int64, device=device)], 1
    ).unsqueeze(0)
    averages = torch.ones(2, at.network.classifier.in_features, device=device)
    work = Work(at.images.unsqueeze(0), pairs, among, averages, MATCHING)
    class_step(at.network, work, 0, at.target, at.draws, at.mean, at.std, False, at.execution)


def train(at: Bench) -> None:
    """One step of training on a batch (Eq. 6)."""
    sgd_step(
        at.network,
        at.optimizer,
        at.images,
        at.labels,
        TRAINING,
        at.mean,
        at.std,
        torch.Generator(at.images.device),
        at.execution.loss,
    )


@torch.no_grad()
def forward(at: Bench) -> None:
    """What a network makes of images, and nothing more: test accuracy, most search policies."""
    with rounded(at.images, at.precision):
        at.network(normalise(at.images, at.mean, at.std))


def saliency(at: Bench) -> None:
    """The gradient of a loss on the pixels: the policy `gradient`."""
    pixels = at.images.requires_grad_()
    torch.autograd.grad(F.cross_entropy(at.network(normalise(pixels, at.mean, at.std)), at.labels), pixels)


KINDS: dict[str, Callable[[Bench], None]] = {
    "real": real,
    "synthetic": synthetic,
    "train": train,
    "forward": forward,
    "saliency": saliency,
}


def run(step: Step, at: Bench) -> None:
    """Do the step."""
    KINDS[step.kind](at)
