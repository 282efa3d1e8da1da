"""Mixed precision: with bfloat16, convolutions and products are rounded to it; losses, weights, their gradients
and the pixels stay in float32."""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

Precision = torch.dtype | None  # of convolutions and products; None: the weights' own
PRECISIONS: dict[str, Precision] = {"float32": None, "bfloat16": torch.bfloat16}


def rounded(inputs: Tensor, precision: Precision) -> torch.autocast:
    """The context in which convolutions and products on the device of `inputs` take `precision`."""
    return torch.autocast(inputs.device.type, precision, enabled=precision is not None, cache_enabled=False)


def emulated(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether bfloat16 is known to be emulated there: on an x86 CPU without AVX-512 bf16 or AMX. Where
    nothing is said of the CPU: no."""
    if device.type != "cpu" or not cpuinfo.exists():
        return False
    flags = {flag for line in cpuinfo.read_text().splitlines() if line.startswith("flags") for flag in line.split()}
    return bool(flags) and not flags & {"avx512_bf16", "amx_bf16"}


@cache
def slowdown() -> float:
    """How many times longer a convolution takes here in bfloat16 than in float32, forward and back:
    the better of three each."""

    def seconds(dtype: torch.dtype) -> float:
        images, weight = (
            torch.ones(8, 32, 32, 32, dtype=dtype),
            torch.ones(32, 32, 3, 3, dtype=dtype, requires_grad=True),
        )
        begun = time.perf_counter()
        torch.autograd.grad(F.conv2d(images, weight, padding=1).sum(), weight)
        return time.perf_counter() - begun

    return min(seconds(torch.bfloat16) for _ in range(3)) / min(seconds(torch.float32) for _ in range(3))


def warn(precision: str, device: torch.device) -> None:
    """Say on stderr, in one line, that this precision is emulated on the device, and what it costs."""
    if precision == "bfloat16" and emulated(device):
        cost = f"a convolution takes {slowdown():.1f} times as long as in float32"
        print(f"precision: bfloat16: this CPU emulates it, {cost}; take precision: float32", file=sys.stderr)
