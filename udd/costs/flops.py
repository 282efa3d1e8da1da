"""The floating-point operations of a step, counted by torch as it runs on tensors that have shapes but no memory."""

from __future__ import annotations

from functools import cache

import torch
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from udd.costs.steps import Step, bench, run


@cache
def counted(step: Step) -> int:
    """The operations of convolutions and matrix products, a multiply-add being two; the others are few beside them."""
    with FakeTensorMode():
        at = bench(step, torch.device("cpu"))
        with FlopCounterMode(display=False) as counter:
            run(step, at)
    return counter.get_total_flops()


def flop(step: Step) -> int:
    """The same from counts for one image and two: what an image adds is always the same."""
    one, two = (counted(step._replace(images=images, compiled=False)) for images in (1, 2))
    return one + (step.images - 1) * (two - one)
