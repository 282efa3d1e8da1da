"""A distillation in this process, step by step, with everything that decides how it goes on."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from udd.config.caches import cache_config, meets_cache
from udd.config.plan import canonical
from udd.data import Dataset
from udd.runs import checkpoint, loop
from udd.runs.cache import fill

FOLDER = tempfile.TemporaryDirectory()
Everything = dict[str, Tensor]


def cache(config: dict[str, Any], data: Dataset) -> Path:
    """The cache that a set meets, made where it is not yet; gone with the tests' process."""
    told = canonical(cache_config(config)) + data.train_images.numpy().tobytes().hex()
    folder = Path(FOLDER.name, hashlib.sha256(told.encode()).hexdigest()[:12])
    folder.mkdir(exist_ok=True)
    fill(folder, config, data, range(config["distill"]["cache_networks"]), "")
    return folder


class Run(loop.Distillation):
    """A run in this process, step by step (`advance`), without files."""

    def __init__(self, config: dict[str, Any], data: Dataset, path: Path = Path("no checkpoint")):
        super().__init__(config, data, path, cache(config, data) if meets_cache(config) else None, "")

    def everything(self) -> Everything:
        """Everything that decides how the run goes on, copied."""
        found = checkpoint.network_state(self.trajectory) | checkpoint.flattened(self.state)
        found |= {
            "place": torch.tensor([self.trajectory.outer, self.trajectory.inner]),
            "broken": self.broken,
            "chosen": self.chosen,
        }
        return {
            name: value.detach().clone() for name, value in (found | {"random/set": self.generator.get_state()}).items()
        }


def same(a: Everything, b: Everything) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def states(config: dict[str, Any], data: Dataset) -> list[Everything]:
    """The state after every step of an uninterrupted run."""
    run, found = Run(config, data), []
    for _ in range(run.total):
        run.advance(False)
        found.append(run.everything())
    return found
