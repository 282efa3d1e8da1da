"""How a distillation executes its two heavy functions: in which precision, as they are or compiled. Decided once, from
its configuration; only where memory is short also from what is free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from torch import Tensor

from udd.networks.architectures import Network
from udd.networks.compilation import compiled, pays, training_flop
from udd.networks.precision import PRECISIONS
from udd.networks.replay import called, player
from udd.networks.training import batch_loss
from udd.objectives import recomputation
from udd.objectives.gradients import image_gradient


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, not compiled."""
    return function


class Execution(NamedTuple):
    """The loss of a network on a batch, and the gradient of Eq. 10 on the training images of a class, as this run
    executes them; how many of these go through the network at once (None: all); how a function of tensors is called
    (udd.networks.replay); and what makes of a function that takes `precision` the same as this run executes it."""

    loss: Callable[..., Any] = batch_loss
    image_gradient: Callable[..., Any] = image_gradient
    chunk: int | None = None
    play: Callable[..., Any] = called
    execute: Callable[[Callable[..., Any]], Callable[..., Any]] = as_it_is


EAGER = Execution()


def planned_flop(distill: Mapping[str, Any], network: Network, image: Tensor, classes: int) -> float:
    """The work on real images that a schedule plans, in FLOP. That on synthetic images is left out."""
    images = distill["outer"] * distill["inner"] * (classes * distill["batch_real"] + distill["net_images"])
    return training_flop(network, image, images)


def execution_of(
    distill: Mapping[str, Any], network: Network, image: Tensor, classes: int, chunk: int | None = None
) -> Execution:
    """How a distillation executes its functions on images like `image` [1, K, H, W], on its device.
    `chunk`: pass at most so many training images at a time, at the price of a second pass
    (udd.objectives.recomputation); None: all of a class."""
    run = (
        compiled if pays(distill["compile"], planned_flop(distill, network, image, classes), image.device) else as_it_is
    )
    rounded = partial(partial, precision=PRECISIONS[distill["precision"]])
    execute = cache(lambda function: rounded(run(function)))  # compiled once
    whole = execute(image_gradient)
    made = Execution(execute(batch_loss), whole, play=player(image.device), execute=execute)
    if chunk is None:
        return made
    passes = (run(recomputation.means), run(recomputation.pulled_back))
    parted = rounded(recomputation.image_gradient, chunk=chunk, run=passes)
    return made._replace(image_gradient=partial(in_chunks, chunk, whole, parted), chunk=chunk)


def in_chunks(
    chunk: int,
    whole: Callable[..., Any],
    parted: Callable[..., Any],
    network: Any,
    weights: Any,
    inputs: Tensor,
    *rest: Any,
) -> Any:
    """The image gradient: in one pass if the images [Q, K, H, W] are no more than a chunk."""
    return (whole if len(inputs) <= chunk else parted)(network, weights, inputs, *rest)
