"""One matching step alone in a process. Prints the bytes of memory that it takes at its peak beyond what
lies there between steps.

python -m benchmarks.one_step --ipc 10 --way '{"precision": "float32", "compile": "never"}'
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.problem import problem
from benchmarks.settings import Settings, size
from benchmarks.step import OUTPUTS, of_package, of_reference
from udd.command import Parser, add_common, main
from udd.device import setup
from udd.errors import UserError


def resident(which: str) -> int:
    """The bytes of this process that lie in memory, now (`VmRSS`) or at most since the mark (`VmHWM`). Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{which}:"))


def growth_on_cpu(step: Callable[[], Any]) -> int:
    """By how many bytes memory grows during the step, at its peak."""
    if not sys.platform.startswith("linux"):
        raise UserError(
            f"memory: found {sys.platform}, expected linux, whose /proc tells a process's peak; leave `memory` out"
        )
    ctypes.CDLL(None).malloc_trim(0)  # else the step takes again what the last one has freed, and nothing grows
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now
    before = resident("VmRSS")
    step()
    return resident("VmHWM") - before


def growth_on_gpu(step: Callable[[], Any], device: torch.device) -> int:
    """By how many bytes the tensors of the GPU grow during the step, at their peak."""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    step()
    return torch.cuda.max_memory_allocated(device) - before


def run(argv: list[str] | None = None) -> None:
    """Take a step that compiles, then one that is measured."""
    parser = Parser(prog="python -m benchmarks.one_step", description="The memory of one matching step.")
    parser.add_argument("--ipc", type=int, required=True)
    parser.add_argument("--way", type=json.loads, help="how our step is executed, as JSON; without it, the reference")
    parser.add_argument("--small", action="store_true")
    add_common(parser)
    args = parser.parse_args(argv)
    device = setup(args.device, args.threads)
    given = problem(size(Settings(device, small=args.small)), OUTPUTS["cifar10"], args.ipc, device)
    step = of_package(given, args.way) if args.way else of_reference(given)
    step()
    gc.collect()
    print(growth_on_gpu(step, device) if device.type == "cuda" else growth_on_cpu(step))


if __name__ == "__main__":
    main(run)
