"""Mixed precision: with bfloat16, convolutions and products are rounded to it; losses, weights, their gradients and the pixels stay in float32."""

from __future__ import annotations

import torch
from torch import Tensor

Precision = torch.dtype | None  # of convolutions and products; None: the weights' own
PRECISIONS: dict[str, Precision] = {"float32": None, "bfloat16": torch.bfloat16}


def rounded(inputs: Tensor, precision: Precision) -> torch.autocast:
    """The context in which convolutions and products on the device of `inputs` take `precision`."""
    return torch.autocast(inputs.device.type, precision, enabled=precision is not None, cache_enabled=False)
