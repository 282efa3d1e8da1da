"""Networks evaluated in a minute: each by a process of its own (`udd evaluate`, its start included), or all of a set's
in one, in float32 and in bfloat16.

Measured on two schedules, of which one is four times the other, epochs and test images alike; the whole
schedule lies on the line through both. So what does not depend on the length (start, reading, compiling
with a warm cache) stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.settings import ROOT, Row, Settings, Tables, planned, size
from benchmarks.timing import say
from udd import data
from udd.config import plan
from udd.data import read_manifest
from udd.networks.architectures import build
from udd.networks.compilation import pays, training_flop
from udd.networks.precision import PRECISIONS
from udd.synthetic.regions import corner_boxes
from udd.synthetic.sets import SyntheticSet, save

CLASSES, TEST, WINDOWS = 10, 10_000, 12
# By IPC, how many times longer the whole schedule is than the longer one measured
PARTS = {"cpu": {1: 10, 10: 50}, "cuda": {1: 1, 10: 4}}
SMALL = {1: 50}

Config = dict[str, Any]


class Place(NamedTuple):
    """Where a shortened schedule finds its files: a folder with random.npz and what is made of it."""

    folder: Path
    parts: int

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def made(self) -> Path:
        return self.folder / "set.safetensors"


def configuration(ipc: int, parts: int, settings: Settings, precision: str) -> Config:
    """An evaluation of a UDD set of `ipc`, its schedule shortened; compiled if the whole schedule would be."""
    params = planned() | {"datasets": {"random": {"kind": "npz"}}}
    config = plan.evaluation_config(
        params, plan.Record(plan.Cell("random", ipc, "udd"), 0, plan.DEFAULT_PROTOCOL, "convnet3")
    )
    recipe, side = config["evaluate"], size(settings).side
    recipe |= {"width": size(settings).width, "precision": precision}
    whole = build("convnet3", 3, side, CLASSES, recipe["width"], torch.Generator())
    flop = training_flop(whole, torch.zeros(1, 3, side, side), recipe["epochs"] * CLASSES * ipc * (1 + WINDOWS))
    worth = not settings.eager and pays(recipe["compile"], flop, settings.device)
    return config | {
        "evaluate": recipe | {"epochs": recipe["epochs"] // parts, "compile": "always" if worth else "never"}
    }


def write_data(place: Place, side: int) -> None:
    """Random images as a data set, as many test images as the shortened schedule has."""
    source, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 10 * CLASSES), ("test", TEST // place.parts)):
        arrays[f"{part}_images"] = source.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(count) % CLASSES
    np.savez(place.folder / "random.npz", **arrays)
    config = {"name": "random", "kind": "npz"}
    data.run(["--config", json.dumps(config), "--root", str(place.folder), "--out", str(place.manifest)])


def write_set(place: Place, config: Config, side: int) -> None:
    """A random set of the data."""
    boxes, about = corner_boxes(side, config["udd"]["scales"]), read_manifest(place.manifest)
    count = CLASSES * config["ipc"]
    metadata = {key: about[key] for key in ("classes", "mean", "std")} | {
        "dataset": "random",
        "whole": True,
        "config": config,
    }
    labels = torch.arange(CLASSES).repeat_interleave(config["ipc"])
    save(place.made, SyntheticSet(torch.rand(count, 3, side, side), labels, boxes, metadata))


def prepared(folder: Path, parts: int, ipc: int, settings: Settings) -> Place:
    """Data and set of a shortened schedule."""
    place, side = Place(folder / f"ipc{ipc}-{parts}", parts), size(settings).side
    place.folder.mkdir()
    write_data(place, side)
    # The precision is the evaluation's, not the set's
    write_set(place, configuration(ipc, parts, settings, "float32")["set"], side)
    return place


def seconds(config: Config, networks: list[int], place: Place, settings: Settings) -> float:
    """The wall-clock time of one `udd evaluate` with so many networks."""
    out = place.folder / "record.json"
    out.unlink(missing_ok=True)
    files = ["--manifest", place.manifest, "--root", place.folder, "--set", place.made, "--out", out]
    options = [
        "--config",
        json.dumps(config | {"networks": networks}),
        "--device",
        settings.device,
        "--threads",
        settings.threads,
    ]
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "udd", "evaluate", *map(str, files + options)],
        cwd=ROOT,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    taken = time.perf_counter() - begun
    say(f"{len(networks)} networks, {config['evaluate']['epochs']} epochs: {taken:.1f} s")
    return taken


def whole(measured: list[float], parts: int) -> float:
    """The seconds of the whole schedule, from those of a quarter of one that is `parts` times shorter, and of that
    one."""
    shorter, longer = measured
    return longer + (longer - shorter) * (parts - 1) / 0.75


class Timed(NamedTuple):
    """Seconds: of one network's process, of the process of all."""

    alone: float
    together: float


def taken(config: Config, networks: list[int], place: Place, settings: Settings) -> Timed:
    """Both ways on one schedule."""
    seconds(config, networks[:1], place, settings)  # not counted: it fills the compiler's cache
    return Timed(seconds(config, networks[:1], place, settings), seconds(config, networks, place, settings))


def rows(ipc: int, parts: int, settings: Settings, folder: Path) -> list[Row]:
    """Both ways, on sets of one IPC, in each precision; the ratio is to a process each in float32."""
    networks, found, reference = planned()["seeds"]["evaluate"], [], 0.0
    places = [prepared(folder, share, ipc, settings) for share in (4 * parts, parts)]
    for precision in PRECISIONS:
        both = [
            taken(configuration(ipc, place.parts, settings, precision), networks, place, settings) for place in places
        ]
        longer, count = both[-1], len(networks)
        single, several = (
            whole([each.alone for each in both], parts),
            whole([each.together for each in both], parts) / count,
        )
        reference = reference or single  # float32, which comes first
        ways = {"a process each": (1, longer.alone, single), "one process": (count, longer.together, several)}
        found += [
            {
                "IPC": ipc,
                "whole / measured": parts,
                "precision": precision,
                "way": way,
                "networks": many,
                "seconds": measured,
            }
            | {"networks a minute, whole": 60 / each, "ratio": reference / each}
            for way, (many, measured, each) in ways.items()
        ]
    return found


def run(settings: Settings) -> Tables:
    """Every IPC."""
    found: list[Row] = []
    for ipc, parts in (SMALL if settings.small else PARTS[settings.device.type]).items():
        with tempfile.TemporaryDirectory() as folder:
            found += rows(ipc, parts, settings, Path(folder))
    return {"evaluation": found}
