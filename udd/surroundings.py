"""What torch is told for a caller's own work, and would change ours: set aside while a call runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def set_aside() -> Iterator[None]:
    """Gradients as by default, float32, no autocast, tensors on the CPU unless they are asked elsewhere: inside a
    caller's `no_grad`, `inference_mode`, `autocast` or `torch.device(...)` as well, so that bits are the same. As a
    decorator: `@set_aside()`."""
    before = torch.get_default_dtype()
    with ExitStack() as held:
        held.enter_context(torch.inference_mode(False))
        held.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                held.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            held.enter_context(torch.device("cpu"))
        if before != torch.float32:  # of the whole process, so not without need
            held.callback(torch.set_default_dtype, before)
            torch.set_default_dtype(torch.float32)
        yield
