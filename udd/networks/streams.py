"""Random streams by name: what is drawn depends on what it is for, never on what was drawn before."""

from __future__ import annotations

import hashlib
import json

import torch


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed from names and numbers: equal parts give equal seeds, any other parts an independent one."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(device: torch.device | str, *parts: str | int) -> torch.Generator:
    """A new generator on `device` whose numbers follow from `parts` alone, as stream(device, "evaluate", "cifar10",
    0)."""
    return torch.Generator(device).manual_seed(seed_of(*parts))
