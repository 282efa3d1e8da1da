"""Whole inner steps of 14 ablations of UDD (CIFAR-10's shape, IPC 10): in lockstep, and each alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import timing
from benchmarks.settings import Row, Settings, Tables, planned, size
from udd.config import plan
from udd.data import Dataset
from udd.methods.udd import Distilled, advance, begin
from udd.proxies.fresh import class_index, start

TABLES = ("policy", "jitter", "cfc", "regions")
SMALL = {"width": 16, "net_images": 128, "batch_real": 8}


def configurations(settings: Settings) -> list[dict[str, Any]]:
    """Of the variants that these tables of params.yaml compare, those that change something in UDD; the full schedule, at IPC 10."""
    params = planned()
    cells = plan.unique(cell for name in TABLES for cell in plan.cells(params, params["tables"][name]))
    found = [plan.set_config(params, cell, 0) for cell in cells if cell.variant != "udd"]
    found = [config for config in found if config["distill"]["decode"] == "regions"]
    changes: dict[str, Any] = (SMALL if settings.small else {}) | ({"compile": "never"} if settings.eager else {})
    return [config | {"distill": config["distill"] | changes} for config in found[: 4 if settings.small else None]]


def dataset(settings: Settings, side: int, classes: int = 10, each: int = 500) -> Dataset:
    """Random images."""
    source = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (classes * each, 3, side, side), generator=source, dtype=torch.uint8)
    labels, names = torch.arange(len(images)) % classes, [str(label) for label in range(classes)]
    return Dataset("random", names, [0.5] * 3, [0.25] * 3, images, labels, images[:100], labels[:100]).to(settings.device)


def steps(settings: Settings) -> dict[str, Callable[[], Any]]:
    """One inner step of all sets together, and of each by itself. They share one trajectory: which network it is does not change the time."""
    configs, data = configurations(settings), dataset(settings, size(settings).side)
    trajectory = start(data, configs[0]["distill"], 0)
    index = class_index(data.train_labels, len(data.classes))
    sets = {config["variant"]: begin(config, data) for config in configs}

    def taking(chosen: list[Distilled]) -> Callable[[], Any]:
        return lambda: advance(trajectory, chosen, data, index, False)

    return {"in lockstep": taking(list(sets.values()))} | {name: taking([made]) for name, made in sets.items()}


def run(settings: Settings) -> Tables:
    """All of them, and the time in lockstep over the sum of those alone."""
    torch.compiler.reset()
    taken = timing.compare(steps(settings), settings.device, settings.seconds * (1 + len(configurations(settings))))
    alone = sum(each.seconds for name, each in taken.items() if name != "in lockstep")
    rows: list[Row] = [{"sets": name} | each._asdict() for name, each in taken.items()]
    rows.append({"sets": "each alone, summed", "seconds": alone})
    about = {"k": len(taken) - 1, "seconds in lockstep": taken["in lockstep"].seconds, "seconds alone": alone}
    return {"sets": rows, "lockstep": [about | {"lockstep / alone": taken["in lockstep"].seconds / alone}]}
