"""Whether to compile, decided from the planned work and the device alone, and how. What was tried, with
figures: benchmarks/README.md.

A run that goes on from its checkpoint decides the same and gives the same bits.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from udd.errors import UserError

# The smallest work for which compiling pays, in FLOP. On 2 CPU cores a cold compiler takes 45 s, and eager code does 90
# GFLOP/s of which it saves two thirds: 6 TFLOP break even. For a GPU the figure is a guess.
WORTH_COMPILING = {"cpu": 1e13, "cuda": 1e15}


# GCC 12.2 for a Sapphire Rapids CPU merges single values into vectors wrongly: in the image gradient of one-channel
# images (ConvNet-3 of width 64, bfloat16) a quarter of the first block's channels stayed unwritten: they were whatever
# lay on the stack, often no number (docs/running.md). What torch generates is vectors already; it forbids the
# vectoriser of loops as well.
UNMERGED = " -fno-tree-slp-vectorize"


def forward_flop(network: nn.Module, image: Tensor) -> int:
    """The floating-point operations of one image's [1, K, H, W] way through convolutions and linear layers
    (a multiply-add is two).

    As torch.utils.flop_counter counts them; but that loads sympy, which takes longer than a short job.
    """
    counts: list[int] = []

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        counts.append(2 * output.numel() * layer.weight[0].numel())  # type: ignore[operator, union-attr, index]

    hooks = [
        layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(image.to(next(network.parameters()).dtype))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def training_flop(network: nn.Module, image: Tensor, images: float) -> float:
    """The work of training on so many images: forward, gradients of activations, gradients of weights."""
    return 3.0 * images * forward_flop(network, image)


def lacking(device: torch.device) -> str:
    """What torch's compiler lacks here, in words: it builds kernels for the CPU in C++, and what starts a GPU's
    in C, with Python's headers."""
    variable, compilers = ("CXX", ("c++", "g++", "clang++")) if device.type == "cpu" else ("CC", ("cc", "gcc", "clang"))
    if not any(map(shutil.which, (os.environ.get(variable, ""), *compilers))):
        return f"compiler ({', '.join(compilers)}, or the one that {variable} names)"
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    return "" if device.type == "cpu" or headers.exists() else f"Python's headers ({headers})"


def pays(choice: str, flop: float, device: torch.device) -> bool:
    """Whether to compile: `always`, `never`, or `auto`: if there is work enough, and all that it takes.

    Raises UserError if `always` cannot be done.
    """
    if choice == "never" or (choice == "auto" and flop < WORTH_COMPILING.get(device.type, float("inf"))):
        return False
    lacks = lacking(device)
    if lacks and choice == "always":
        raise UserError(f"compile: always: found no {lacks}; install it, or say compile: auto")
    return not lacks


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled for each shape it meets: a kernel for any shape would make a set's bits
    depend on the sets beside it."""
    from torch._dynamo import config
    from torch._inductor.config import cpp

    config.recompile_limit = max(config.recompile_limit, 64)  # one a number of training images, distance, ...
    # Torch has no option for flags of one's own; this one's text is taken as it is
    if UNMERGED not in cpp.enable_floating_point_contract_flag:
        cpp.enable_floating_point_contract_flag += UNMERGED
    return torch.compile(function, dynamic=False, fullgraph=True)
