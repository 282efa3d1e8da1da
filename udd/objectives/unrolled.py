"""Training unrolled over synthetic images, and a loss of its last weights pulled back to them:
exact, in the memory of one step.

Forward, only the weights before each step are kept. Backward, each step's batch and graph are built anew: with v the
loss's derivative by the weights after a step w' = w - rate g(w, images), the derivatives of <v, w'> by w, images and
rate are those of the loss. So memory grows with the weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp

from udd.networks.precision import Precision, rounded

Weights = dict[str, Tensor]


class Batch(NamedTuple):
    """What a step trains on: augmented images [n, K, H, W], labels [n], the rate []."""

    inputs: Tensor
    labels: Tensor
    rate: Tensor


def descended(
    network: nn.Module, weights: Weights, inputs: Tensor, labels: Tensor, rate: Tensor, precision: Precision = None
) -> Weights:
    """The weights after a step of plain descent on the mean cross-entropy of a batch."""

    def loss(weights: Weights) -> Tensor:
        return F.cross_entropy(functional_call(network, weights, (inputs,)).to(inputs.dtype), labels)

    with rounded(inputs, precision):
        found = grad(loss)(weights)
    return {name: weight - rate * found[name] for name, weight in weights.items()}


def pulled(
    network: nn.Module,
    weights: Weights,
    inputs: Tensor,
    labels: Tensor,
    rate: Tensor,
    slopes: Weights,
    precision: Precision = None,
) -> tuple[Weights, Tensor, Tensor]:
    """The derivatives by the weights before a step, its images and its rate, given those by the weights after it."""
    with rounded(inputs, precision):
        pull = vjp(lambda *at: descended(network, at[0], at[1], labels, at[2], precision), weights, inputs, rate)[1]
        return pull(slopes)


def unrolled(
    network: nn.Module, weights: Weights, steps: int, batch: Callable[[int], Batch], run: Callable[..., Any] = descended
) -> list[Weights]:
    """The weights before the first step and after each. batch: of the step of a number; the same at every call."""
    found = [weights]
    with torch.no_grad():
        for number in range(steps):
            found.append(run(network, found[-1], *batch(number)))
    return found


def pulled_back(
    network: nn.Module,
    along: Sequence[Weights],
    batch: Callable[[int], Batch],
    slopes: Weights,
    run: Callable[..., Any] = pulled,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(number, derivative by its images, by its rate) of each step from the last, given the derivatives of a loss by
    the last of the weights `along` (of `unrolled`)."""
    for number in reversed(range(len(along) - 1)):
        slopes, of_images, of_rate = run(network, along[number], *batch(number), slopes)
        yield number, of_images, of_rate
