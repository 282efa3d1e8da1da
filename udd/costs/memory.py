"""The memory of a step: the peak of the bytes that live during it, followed operation by operation on tensors without
memory, times what a device is known to take for them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from udd.costs.steps import Step, bench, run


class Live(TorchDispatchMode):
    """Follows the storages that operations make until they are freed: `now` and `peak`, in bytes."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.storages: dict[int, weakref.finalize] = {}

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self.follow(value.untyped_storage())
        return out

    def follow(self, storage: torch.UntypedStorage) -> None:
        """Count a storage once, from now until it is freed. Views share their storage, and
        operations in place make none."""
        if id(storage) not in self.storages:
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            self.storages[id(storage)] = weakref.finalize(storage, self.forget, id(storage), storage.nbytes())

    def forget(self, key: int, size: int) -> None:
        """A storage is gone."""
        del self.storages[key]
        self.now -= size


def followed(step: Step, fake: bool = True) -> int:
    """The most bytes that live at a time while the step runs: network, momentum, images, and all in between."""
    with FakeTensorMode() if fake else nullcontext(), Live() as live:
        at = bench(step, torch.device("cpu"))
        live.peak = live.now
        run(step, at)
    return live.peak


@cache
def peak(step: Step) -> int:
    """The same without memory, and not compiled. Not in it: what a library takes inside of an
    operation, and torch itself."""
    return followed(step._replace(compiled=False))


# What is taken for a live byte, as measured on a CPU (benchmarks/README.md): compiled code keeps fewer intermediate
# results; a CPU process that is not compiled, and keeps what it frees, has gaps between them, 1.3 to 2.2 times in all.
COMPILED = {("synthetic", "float32"): 0.68, ("synthetic", "bfloat16"): 0.56, ("real", "bfloat16"): 0.75}
EAGER = {"cpu": 1.7}


def in_all(live: int, device: torch.device) -> int:
    """The bytes that a device takes for so many that live, where nothing is compiled."""
    return round(EAGER.get(device.type, 1.0) * live)


def taken(step: Step, device: torch.device) -> int:
    """The bytes that a step takes on a device at its peak."""
    return (
        round(COMPILED.get((step.kind, step.precision), 1.0) * peak(step))
        if step.compiled
        else in_all(peak(step), device)
    )
