"""How a run executes its two heavy functions: in which precision, as they are or compiled.

Decided once, from the configuration and the device alone, so that a run that goes on from its checkpoint, or advances in lockstep with
others, takes the same way and gives the same bits. What was tried, with figures: benchmarks/README.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from udd import gradients
from udd.networks import Network

PRECISIONS: dict[str, gradients.Precision] = {"float32": None, "bfloat16": torch.bfloat16}

# The smallest work for which compiling pays, in FLOP. On 2 CPU cores a cold compiler takes 45 s, and eager code does 90 GFLOP/s of which
# it saves two thirds: 6 TFLOP break even. For a GPU the figure is a guess.
WORTH_COMPILING = {"cpu": 1e13, "cuda": 1e15}


class Engine(NamedTuple):
    """udd.gradients' two functions, with their precision, as this run executes them."""

    loss: Callable[..., Any] = gradients.loss
    image_gradient: Callable[..., Any] = gradients.image_gradient


EAGER = Engine()


def forward_flop(network: Network, image: Tensor) -> int:
    """The floating-point operations of one image's [1, K, H, W] way through the network (a multiply-add is two)."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image.to(next(network.parameters()).dtype))
    return counter.get_total_flops()


def planned_flop(distill: Mapping[str, Any], network: Network, image: Tensor, classes: int) -> float:
    """The work on real images that a schedule plans, in FLOP. The sets' own is left out: whether to compile must not depend on who is in lockstep."""
    images = distill["outer"] * distill["inner"] * (classes * distill["batch_real"] + distill["net_images"])
    return 3.0 * images * forward_flop(network, image)  # forward, gradients of activations, gradients of weights


def compiles(distill: Mapping[str, Any], network: Network, image: Tensor, classes: int) -> bool:
    """Whether to compile: as the configuration says; `auto`, if the schedule is long enough and a C++ compiler is there for the CPU."""
    if distill["compile"] != "auto":
        return distill["compile"] == "always"
    kind = image.device.type
    found = kind != "cpu" or any(map(shutil.which, ("c++", "g++", "clang++")))
    return found and planned_flop(distill, network, image, classes) >= WORTH_COMPILING.get(kind, float("inf"))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled for each shape it meets: a kernel for any shape would make a set's bits depend on the sets beside it."""
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, 64)  # one a number of training images, distance, ...
    return torch.compile(function, dynamic=False, fullgraph=True)


def engine(distill: Mapping[str, Any], network: Network, image: Tensor, classes: int) -> Engine:
    """The engine of a distillation on images like `image` [1, K, H, W], on its device."""
    precision = PRECISIONS[distill["precision"]]
    functions = (gradients.loss, gradients.image_gradient)
    if compiles(distill, network, image, classes):
        functions = tuple(map(compiled, functions))
    return Engine(*(partial(function, precision=precision) for function in functions))
