"""What a run of the benchmarks was asked for, and the sizes that follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from udd.config import params

ROOT = Path(__file__).parent.parent

Row = dict[str, Any]
Tables = dict[str, list[Row]]


class Settings(NamedTuple):
    """device; seconds: what one timed way of doing a thing may take, its first call apart; small: problems of toy size;
    eager: nothing compiled; threads: of the CPU, 0 for torch's own choice."""

    device: torch.device
    seconds: float = 60.0
    small: bool = False
    eager: bool = False
    threads: int = 0


class Size(NamedTuple):
    """The size of a matching problem: the network's width, classes that are gone through, real images a
    class, their side, IPCs."""

    width: int = 128
    classes: int = 10
    real: int = 64
    side: int = 32
    ipc: tuple[int, ...] = (1, 10, 50)


def size(settings: Settings) -> Size:
    """The paper's size, or a toy."""
    return Size(16, 3, 8, 16, (1, 3)) if settings.small else Size()


def planned() -> dict[str, Any]:
    """The experiments' parameters, params.yaml."""
    return params.load([ROOT / "params.yaml"])


def ways(settings: Settings) -> dict[str, dict[str, str]]:
    """The executions that are measured, by the name they have in the tables."""
    both = {
        f"{precision} compiled": {"precision": precision, "compile": "always"} for precision in ("float32", "bfloat16")
    }
    return {"float32 eager": {"precision": "float32", "compile": "never"}} | ({} if settings.eager else both)
