"""A whole step of a distillation on fresh networks and on cached ones, what a cache takes, and what both make of
an ablation of 14 cells."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import timing
from benchmarks.settings import Row, Settings, Size, Tables, planned, size
from benchmarks.timing import Timing, say
from udd.config import plan
from udd.data import Dataset
from udd.proxies import cached
from udd.runs.budget import watched
from udd.runs.growth import Growth
from udd.runs.loop import Distillation

METHODS = ("idc", "udd")
FRESH = "fresh"
AGES = 4  # of the cached network that the steps meet
NETWORKS, OLDEST, CELLS, STEPS = 10, 40, 14, 2000  # of the ablation: its cache is params.yaml's


def images(sizes: Size, device: torch.device) -> Dataset:
    """Random images, enough of them for every real batch."""
    source, each = torch.Generator(device).manual_seed(0), 4 * sizes.real
    shape = (each * sizes.classes, 3, sizes.side, sizes.side)
    pixels = torch.randint(0, 256, shape, generator=source, device=device, dtype=torch.uint8)
    labels = torch.arange(sizes.classes, device=device).repeat_interleave(each)
    named = [f"class {number}" for number in range(sizes.classes)]
    return Dataset("cifar10", named, [0.5] * 3, [0.25] * 3, pixels, labels, pixels, labels)


def configuration(method: str, ipc: int, networks: str, settings: Settings) -> dict[str, Any]:
    """The configuration of a set of params.yaml, at the benchmark's size."""
    params, sizes = planned(), size(settings)
    way = (
        {"precision": "float32", "compile": "never"}
        if settings.eager
        else {"precision": "bfloat16", "compile": "always"}
    )
    params["distill"] |= {
        "networks": networks,
        "cache_networks": 1,
        "cache_ages": AGES,
        "width": sizes.width,
        "batch_real": sizes.real,
    } | way
    params["distill"] |= {"net_images": 4 * sizes.real} if settings.small else {}
    return plan.set_config(params, plan.Cell("cifar10", ipc, method), 0)


def stepper(config: dict[str, Any], data: Dataset, place: Path, cache: Path | None) -> Callable[[], Any]:
    """One step of a distillation after another."""
    run = Distillation(config, data, place / "checkpoint", cache, "")
    return lambda: run.advance(logged=False)


def steps(data: Dataset, place: Path, cache: Path, settings: Settings) -> tuple[list[Row], dict[str, Timing]]:
    """The rows of all methods and IPCs, and the timings of UDD at the second IPC."""
    rows: list[Row] = []
    asked: dict[str, Timing] = {}
    for method in METHODS:
        for ipc in size(settings).ipc:
            say(f"{method}, IPC {ipc}")
            torch.compiler.reset()
            made = {kind: configuration(method, ipc, kind, settings) for kind in (FRESH, "cached")}
            ways = {
                kind: stepper(config, data, place, None if kind == FRESH else cache) for kind, config in made.items()
            }
            taken = timing.compare(ways, settings.device, settings.seconds * len(ways))
            rows += [
                {"method": method, "IPC": ipc, "networks": kind} | timing.row(each, taken.get(FRESH))
                for kind, each in taken.items()
            ]
            asked = taken if (method, ipc) == ("udd", size(settings).ipc[1]) else asked
    return rows, asked


def ablation(step: Mapping[str, float], look: float, train: float) -> list[Row]:
    """The hours of an ablation, by the seconds of a step, of a look at a network and of its training."""
    cache = NETWORKS * (OLDEST * look + (OLDEST - 1) * train)
    hours = {kind: (CELLS * STEPS * seconds + (0 if kind == FRESH else cache)) / 3600 for kind, seconds in step.items()}
    fresh = hours.get(FRESH)
    return [
        {"cells": CELLS, "steps": STEPS, "networks": kind, "hours": each, "ratio": fresh / each if fresh else None}
        for kind, each in hours.items()
    ]


def run(settings: Settings) -> Tables:
    """Steps, the cache, the ablation."""
    data = images(size(settings), settings.device)
    with tempfile.TemporaryDirectory() as folder:
        place, cache = Path(folder), Path(folder, "cache")
        config = configuration("idc", 1, "cached", settings)
        growth = Growth(cached.member_path(cache, 0), config, data, 0, "")
        look, train = watched(growth)
        nbytes = growth.path.stat().st_size
        rows, asked = steps(data, place, cache, settings)
    network: Row = {
        "a look": look,
        "a training": train,
        "a network": OLDEST * look + (OLDEST - 1) * train,
        "MB": OLDEST / AGES * nbytes / 1e6,
    }
    return {
        "cached": rows,
        f"cache, seconds (a network: {OLDEST} ages)": [network],
        "ablation": ablation({kind: each.seconds for kind, each in asked.items()}, look, train),
    }
