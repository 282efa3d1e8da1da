"""How the pixels follow a gradient: with momentum, as most methods, or by Adam."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Distill = dict[str, Any]
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam (Kingma & Ba 2015)
Moments = tuple[Tensor, Tensor]


def learning_rate(options: Distill, outer: int) -> float:
    """image_lr, decayed after the given fractions of the outer iterations (Sec. 3)."""
    passed = sum(outer >= round(at * options["outer"]) for at in options["image_lr_decay_at"])
    return options["image_lr"] * options["image_lr_decay"] ** passed


def momentum_step(images: Tensor, velocity: Tensor, gradient: Tensor, rate: float | Tensor, momentum: float) -> tuple[Tensor, Tensor]:
    """One step of descent with momentum: the images and their velocity."""
    velocity = momentum * velocity + gradient
    return images - rate * velocity, velocity


def adam_step(
    images: Tensor, moments: Moments, gradient: Tensor, rate: float | Tensor, count: int, betas: tuple[float, float] = BETAS
) -> tuple[Tensor, Moments]:
    """One step of Adam, the `count`-th (from 1): the images, and the running means of the gradient and of its square."""
    first, second = (beta * old + (1 - beta) * new for beta, old, new in zip(betas, moments, (gradient, gradient.square()), strict=True))
    mean, square = (each / (1 - beta**count) for beta, each in zip(betas, (first, second), strict=True))
    return images - rate * mean / (square.sqrt() + EPSILON), (first, second)
