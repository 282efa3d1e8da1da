"""How long steps take on this device: measured once, for half a minute, and kept below the user's cache
folder (XDG_CACHE_HOME/udd).

A step takes a time of its own and one for each image, fitted to a step on one image and one on many. Only so are small
batches foretold right where launching the operations takes longer than they do.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from udd.costs.keeping import keep, kept, kept_at
from udd.costs.steps import Step, bench, run
from udd.provenance import code_digest

BUDGET = 25.0  # seconds, for all that a call measures
MANY, MOST = 64, 50  # images of a large step, and how often one is taken
CLASSES = 10  # of the networks that are timed: their number hardly matters


class Pace(NamedTuple):
    """Seconds that a step takes whatever its images, and seconds an image."""

    step: float
    image: float

    def seconds(self, images: int) -> float:
        """The time of a step on so many images, in seconds."""
        return self.step + images * self.image


def pace_key(step: Step) -> Step:
    """What steps of one pace have in common: all but the number of images and classes."""
    return step._replace(images=0, model=step.model._replace(classes=CLASSES))


def processor() -> str:
    """The CPU's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device_name(device: torch.device) -> str:
    """The device's name: what is measured on one holds for others of the name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def conditions(device: torch.device) -> dict[str, Any]:
    """What a measured pace depends on beside the step."""
    return {"device": device_name(device), "torch": torch.__version__, "threads": torch.get_num_threads()}


def pace_at(key: Step, device: torch.device) -> Path:
    """The file that keeps the pace of a step, as the present code takes it."""
    return kept_at(
        "calibration", f"{key.model.architecture}-{key.kind}", conditions(device), code_digest("udd.costs.steps"), key
    )


def known(key: Step, device: torch.device) -> Pace | None:
    """The pace that was measured before, if it was."""
    try:
        return Pace(**kept(pace_at(key, device))["pace"])
    except (KeyError, TypeError):
        return None  # absent or spoilt: it is measured again


def clock(device: torch.device) -> float:
    """Seconds, when the device has done all that it was asked. On a CPU those of the main thread, which other
    programs do not lengthen."""
    if device.type == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def timed(step: Step, device: torch.device, budget: float) -> float:
    """The seconds that the step takes: the median of as many runs as the budget, in seconds, allows, after
    one that is not counted."""
    at, taken = bench(step, device), []
    run(step, at)  # what is loaded, chosen or compiled once
    end = time.monotonic() + budget
    while not taken or (time.monotonic() + taken[-1] < end and len(taken) < MOST):
        start = clock(device)
        run(step, at)
        taken.append(clock(device) - start)
    return statistics.median(taken)


def measured(key: Step, device: torch.device, budget: float) -> Pace:
    """The pace of a step, measured within about `budget` seconds, compiling apart."""
    one = timed(key._replace(images=1), device, budget / 6)
    many = max(2, min(MANY, int(budget / 4 / one)))
    all_of_them = timed(key._replace(images=many), device, budget / 3)
    image = max(all_of_them - one, 0) / (many - 1)
    return Pace(one - image, image) if one > image else Pace(0, all_of_them / many)


def paces(
    steps: Iterable[Step], device: torch.device, again: bool = False, say: Callable[[str], None] = lambda _: None
) -> dict[Step, Pace]:
    """The paces of all steps, by their key: kept ones, and what is missing (or all, if `again`) measured and kept."""
    keys = sorted({pace_key(step) for step in steps})
    found = {key: pace for key in keys if (pace := None if again else known(key, device))}
    missing = [key for key in keys if key not in found]
    if missing:
        say(f"measuring the speed of {conditions(device)['device']}: up to 30 s")
    for key in missing:
        found[key] = measured(key, device, BUDGET / len(missing))
        keep(pace_at(key, device), {"conditions": conditions(device), "step": key, "pace": found[key]._asdict()})
    return found
