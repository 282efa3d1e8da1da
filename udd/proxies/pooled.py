"""A pool's networks, trained once and kept: the weights of one network before the first and after each inner step of its training.

A distillation with `networks: pool` and `--pool POOL` reads them instead of training (udd.proxies.pool makes them); its bits are the same, since a
member's training depends on data set, architecture, seed and number alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from udd.errors import UserError
from udd.files import write_atomic
from udd.networks.architectures import Network


def member_path(folder: str | Path, member: int) -> Path:
    """The file of one network of a pool."""
    return Path(folder) / f"network{member}.safetensors"


def save(path: Path, states: list[dict[str, Tensor]], metadata: dict[str, Any]) -> None:
    """Write a network's weights, one state a step, as tensors [steps, ...]; atomically."""
    stacked = {name: torch.stack([state[name] for state in states]).cpu().contiguous() for name in states[0]}
    write_atomic(path, to_bytes(stacked, {"udd": json.dumps(metadata)}))


def metadata(path: Path) -> dict[str, Any]:
    """What a pool's file says of itself. Raises UserError if it is not one."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return json.loads((file.metadata() or {})["udd"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a pool's network ({' '.join(str(error).split())}); make it with udd pool") from None


@torch.no_grad()
def recall(path: Path, network: Network, step: int) -> None:
    """Give the network the weights that it has after `step` inner steps."""
    with safe_open(str(path), framework="pt") as file:
        for name, weight in network.named_parameters():
            weight.copy_(file.get_slice(name)[step])
