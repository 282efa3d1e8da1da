"""How the pixels follow a gradient: with momentum, as most methods, or by Adam."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Distill = dict[str, Any]
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam (Kingma & Ba 2015)


def learning_rate(options: Distill, outer: int) -> float:
    """image_lr, decayed after the given fractions of the outer iterations (Sec. 3)."""
    passed = sum(outer >= round(at * options["outer"]) for at in options["image_lr_decay_at"])
    return options["image_lr"] * options["image_lr_decay"] ** passed


def momentum_step(images: Tensor, velocity: Tensor, gradient: Tensor, rate: float, momentum: float) -> tuple[Tensor, Tensor]:
    """One step of descent with momentum: the images and their velocity."""
    velocity = momentum * velocity + gradient
    return images - rate * velocity, velocity


def adam_step(images: Tensor, moments: tuple[Tensor, Tensor], gradient: Tensor, rate: float, count: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One step of Adam, the `count`-th (from 1): the images, and the running means of the gradient and of its square."""
    first, second = (beta * old + (1 - beta) * new for beta, old, new in zip(BETAS, moments, (gradient, gradient.square()), strict=True))
    steady = (mean / (1 - beta**count) for beta, mean in zip(BETAS, (first, second), strict=True))
    mean, square = steady
    return images - rate * mean / (square.sqrt() + EPSILON), (first, second)
