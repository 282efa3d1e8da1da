"""The peak memory of one matching step, beside what udd.costs foretells for it."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.settings import ROOT, Row, Settings, Size, Tables, planned, size, ways
from benchmarks.step import OUTPUTS, REFERENCE
from benchmarks.timing import say

MB = 1e6


def measured(ipc: int, way: dict[str, str] | None, settings: Settings) -> float:
    """The growth of memory in a process that takes a step, in MB."""
    options = [
        "--ipc",
        ipc,
        "--device",
        settings.device,
        "--threads",
        settings.threads,
        *(["--small"] if settings.small else []),
    ]
    command = [
        sys.executable,
        "-m",
        "benchmarks.one_step",
        *map(str, options),
        *(["--way", json.dumps(way)] if way else []),
    ]
    return int(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout) / MB


def foretold(sizes: Size, ipc: int, way: dict[str, str], settings: Settings) -> float | None:
    """The peak that udd.costs gives for the larger of the step's two parts, in MB; None where there is no udd.costs."""
    try:
        from udd.costs.memory import taken
        from udd.costs.steps import Model, Step
    except ImportError:
        return None
    options, own = planned()["distill"], planned()["udd"]
    model = Model(options["network"], sizes.width, 3, sizes.side, OUTPUTS["cifar10"])
    pairs = min(ipc * (1 + own["selected"]), own["max_pairs"])
    compiled = way["compile"] == "always"
    found = (
        Step(kind, model, images, way["precision"], compiled)
        for kind, images in (("real", sizes.real), ("synthetic", pairs))
    )
    return max(taken(step, settings.device) for step in found) / MB


def row(sizes: Size, ipc: int, name: str, way: dict[str, str] | None, settings: Settings) -> Row:
    """One way of taking the step."""
    say(f"IPC {ipc}, {name}")
    peak, expected = measured(ipc, way, settings), foretold(sizes, ipc, way, settings) if way else None
    return {
        "IPC": ipc,
        "way": name,
        "peak MB": peak,
        "estimate MB": expected,
        "estimate / peak": expected / peak if expected else None,
    }


def run(settings: Settings) -> Tables:
    """The reference and every way of ours, at every IPC."""
    sizes = size(settings)
    found = {REFERENCE: None} | ways(settings)
    return {"memory": [row(sizes, ipc, name, way, settings) for ipc in sizes.ipc for name, way in found.items()]}
