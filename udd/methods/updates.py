"""How the pixels follow a gradient: with momentum, as most methods, or by Adam; and the states of
methods that keep nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from udd.data import Dataset
from udd.proxies.meeting import Meeting
from udd.synthetic import initial

Config = dict[str, Any]
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam (Kingma & Ba 2015)
Moments = tuple[Tensor, Tensor]


class Momentum(NamedTuple):
    """Pixels [C, B, K, H, W] and their momentum."""

    images: Tensor
    velocity: Tensor


class Adam(NamedTuple):
    """Pixels [C, B, K, H, W] and the running means of their gradient and its square."""

    images: Tensor
    moments: Moments


def with_momentum(config: Config, data: Dataset, generator: torch.Generator) -> Momentum:
    """The start that the configuration names, at rest."""
    images = initial.start(config, data, generator)
    return Momentum(images, torch.zeros_like(images))


def with_adam(config: Config, data: Dataset, generator: torch.Generator) -> Adam:
    """The start that the configuration names, before Adam's first step."""
    images = initial.start(config, data, generator)
    return Adam(images, (torch.zeros_like(images), torch.zeros_like(images)))


def clamped(state: Any, _meeting: Meeting, _config: Config) -> Any:
    """What most methods do after the last step on a network: pixels go back to [0, 1]."""
    return state._replace(images=state.images.clamp(0, 1))


def learning_rate(options: Config, outer: int) -> float:
    """image_lr, decayed after the given fractions of the outer iterations (Sec. 3)."""
    passed = sum(outer >= round(at * options["outer"]) for at in options["image_lr_decay_at"])
    return options["image_lr"] * options["image_lr_decay"] ** passed


def momentum_step(
    images: Tensor, velocity: Tensor, gradient: Tensor, rate: float | Tensor, momentum: float
) -> tuple[Tensor, Tensor]:
    """One step of descent with momentum: the images and their velocity."""
    velocity = momentum * velocity + gradient
    return images - rate * velocity, velocity


def adam_step(
    images: Tensor,
    moments: Moments,
    gradient: Tensor,
    rate: float | Tensor,
    count: int,
    betas: tuple[float, float] = BETAS,
) -> tuple[Tensor, Moments]:
    """One step of Adam, the `count`-th (from 1): the images, and the running means of the gradient and of its
    square."""
    first, second = (
        beta * old + (1 - beta) * new
        for beta, old, new in zip(betas, moments, (gradient, gradient.square()), strict=True)
    )
    mean, square = (each / (1 - beta**count) for beta, each in zip(betas, (first, second), strict=True))
    return images - rate * mean / (square.sqrt() + EPSILON), (first, second)
