"""Wall-clock time of several ways of doing one thing, taken in turns, so that a machine
that slows down slows all of them."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch


class Timing(NamedTuple):
    """Seconds of one call: median and least of `repetitions`; and of the first call, not among them, which
    compiles what is compiled."""

    seconds: float
    min: float
    repetitions: int
    first: float


def clock(device: torch.device) -> float:
    """The time in seconds, once the device has done all that it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def once(way: Callable[[], Any], device: torch.device) -> float:
    """The seconds of one call."""
    begun = clock(device)
    way()
    return clock(device) - begun


def first_calls(ways: dict[str, Callable[[], Any]], device: torch.device) -> dict[str, float]:
    """The seconds of each way's first call. A way that fails (memory, no compiler) is said so, and left out."""
    found = {}
    for name, way in ways.items():
        try:
            found[name] = once(way, device)
            say(f"{name}: first call {found[name]:.1f} s")
        except RuntimeError as error:
            say(f"{name} is left out: {' '.join(str(error).split())[:300]}")
    return found


def say(line: str) -> None:
    """Tell how far it is, beside the tables."""
    print(line, file=sys.stderr, flush=True)


def rounds(ways: dict[str, Callable[[], Any]], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """The seconds of every way in rounds of one call each: one round at least, and no more begun than
    `seconds` in all have room for."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    begun, last = clock(device), 0.0
    while ways and (not last or clock(device) - begun + last < seconds):
        start = clock(device)
        for name, way in ways.items():
            taken[name].append(once(way, device))
        last = clock(device) - start
    return taken


def compare(ways: dict[str, Callable[[], Any]], device: torch.device, seconds: float) -> dict[str, Timing]:
    """Time every way: first calls, then rounds for about `seconds` in all."""
    return timings(ways, first_calls(ways, device), device, seconds)


def timings(
    ways: dict[str, Callable[[], Any]], first: dict[str, float], device: torch.device, seconds: float
) -> dict[str, Timing]:
    """The same of those whose first calls were taken already."""
    taken = rounds({name: ways[name] for name in first}, device, seconds)
    return {
        name: Timing(statistics.median(found), min(found), len(found), first[name]) for name, found in taken.items()
    }


def row(timing: Timing, reference: Timing | None) -> dict[str, Any]:
    """A table's columns of a timing, and how many times faster than the reference it is."""
    return timing._asdict() | {"ratio": reference.seconds / timing.seconds if reference else None}
