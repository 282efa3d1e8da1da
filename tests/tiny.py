"""A tiny data set, network and configuration, for tests of the distillation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from udd.config import plan
from udd.config.params import load
from udd.config.sections import METHODS
from udd.data import Dataset
from udd.networks.architectures import Network, build
from udd.networks.streams import stream

ROOT = Path(__file__).parent.parent
SMALL = {
    "width": 4,
    "outer": 2,
    "inner": 2,
    "batch_real": 5,
    "net_batch": 4,
    "net_images": 6,
    "image_lr_decay_at": [0.5],
}
SMALL |= {"cache_networks": 2, "cache_ages": 3, "cache_spacing": 1}
FEW = {"mtt": {"steps": 5}}  # of the methods' own keys


@cache
def params() -> dict[str, Any]:
    """The repository's params.yaml. Not to be changed in place."""
    return load([ROOT / "params.yaml"])


def options(**changes: Any) -> dict[str, Any]:
    """The defaults of the section `distill`, made small, with `changes`."""
    return params()["distill"] | SMALL | changes


def windowed(**changes: Any) -> dict[str, Any]:
    """The defaults of the section `udd`, with `changes`."""
    return params()["udd"] | changes


def config(ipc: int = 2, seed: int = 0, method: str = "udd", **changes: Any) -> dict[str, Any]:
    """A set's resolved configuration for the data set `tiny`; each change goes to the section that has the
    key, the method's own first."""
    cell = {"dataset": {"name": "tiny", "kind": "npz"}, "ipc": ipc, "variant": "udd", "seed": seed, "method": method}
    sections = {name: dict(params()[name]) for name in METHODS[method]}
    for key, value in (SMALL | changes).items():
        next(sections[name] for name in reversed(METHODS[method]) if key in sections[name])[key] = value
    return cell | {name: plan.read_keys(section) for name, section in sections.items()}


def of_method(name: str, ipc: int = 2, **changes: Any) -> dict[str, Any]:
    """A set's resolved configuration for the data set `tiny`, made by a variant of params.yaml of that name, small."""
    found = plan.set_config(params() | {"datasets": {"tiny": {"kind": "npz"}}}, plan.Cell("tiny", ipc, name), 0)
    small = {key: value for key, value in (SMALL | changes).items() if key in found["distill"]}
    few = {section: found[section] | keys for section, keys in FEW.items() if section in found}
    return found | {"distill": found["distill"] | small} | few


def dataset(channels: int = 3, side: int = 8, classes: int = 3, count: int = 21, seed: int = 0) -> Dataset:
    """Random images; classes in turn, so that their counts may differ by one."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, channels, side, side), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    return Dataset(
        "tiny",
        [f"class {i}" for i in range(classes)],
        [0.4] * channels,
        [0.3] * channels,
        images,
        labels,
        images[:6],
        labels[:6],
    )


def network(
    channels: int = 3, side: int = 8, classes: int = 3, width: int = 4, name: str = "convnet3", seed: int = 0
) -> Network:
    """A random network in float64."""
    return build(name, channels, side, classes, width, stream("cpu", "test", seed)).double()


def generator(seed: int = 0) -> torch.Generator:
    """Random numbers that start at a seed."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Uniform random numbers in [0, 1), float64."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def captured(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as the compiler captures it, which must be whole, but run without the kernels it would
    build: those take minutes."""
    return torch.compile(function, dynamic=False, fullgraph=True, backend="aot_eager")
