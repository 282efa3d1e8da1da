"""What a job took: seconds and memory, as a small file beside what it made (udd.config.files.taken_path).
No result depends on it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from udd.config.files import taken_path
from udd.costs.calibration import device_name
from udd.files import read_json, write_json

FORMAT = 1


def peak() -> int:
    """The most bytes that this process has had resident so far; ru_maxrss counts in KiB, on macOS in bytes."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def note(made: Path, seconds: float, peak_bytes: int, device: torch.device, **more: str) -> None:
    """Write what a job took beside the file that it made, with more of what it is about."""
    place = {"device": device_name(device), "threads": torch.get_num_threads()}
    write_json(
        taken_path(made), {"format": FORMAT, "seconds": round(seconds, 3), "peak_bytes": peak_bytes} | place | more
    )


def note_together(made: Path, parts: Iterable[Path]) -> None:
    """Beside a file that stands for others, what all of these took, if it is known of each: their seconds
    added, the highest peak."""
    paths = [taken_path(part) for part in parts]
    if paths and all(path.exists() for path in paths):
        found: list[dict[str, Any]] = [read_json(path) for path in paths]
        whole = {
            "seconds": round(sum(each["seconds"] for each in found), 3),
            "peak_bytes": max(each["peak_bytes"] for each in found),
        }
        write_json(taken_path(made), found[0] | whole)
