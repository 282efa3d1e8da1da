"""How a distillation executes its two heavy functions: in which precision, as they are or compiled. Decided once, from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from udd.compilation import compiled, pays, training_flop
from udd.gradients import image_gradient
from udd.networks import Network
from udd.precision import PRECISIONS
from udd.train import batch_loss


class Engine(NamedTuple):
    """The loss of a network on a batch, and the gradient of Eq. 10 on the training images of a class, as this run executes them."""

    loss: Callable[..., Any] = batch_loss
    image_gradient: Callable[..., Any] = image_gradient


EAGER = Engine()


def planned_flop(distill: Mapping[str, Any], network: Network, image: Tensor, classes: int) -> float:
    """The work on real images that a schedule plans, in FLOP. The sets' own is left out: whether to compile must not depend on who is in lockstep."""
    images = distill["outer"] * distill["inner"] * (classes * distill["batch_real"] + distill["net_images"])
    return training_flop(network, image, images)


def engine(distill: Mapping[str, Any], network: Network, image: Tensor, classes: int) -> Engine:
    """The engine of a distillation on images like `image` [1, K, H, W], on its device."""
    flop = planned_flop(distill, network, image, classes)
    functions: tuple[Callable[..., Any], ...] = (batch_loss, image_gradient)
    if pays(distill["compile"], flop, image.device):
        functions = tuple(map(compiled, functions))
    return Engine(*(partial(function, precision=PRECISIONS[distill["precision"]]) for function in functions))
