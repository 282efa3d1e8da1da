"""How much memory a distillation takes, said before the work; where that is more than there is, fewer
training images go at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from udd.config.sections import MATCHING
from udd.costs.schedule import distillation_compiles, own_steps, shared_steps, together, widest
from udd.costs.sizes import Sizes
from udd.costs.steps import Model, Step
from udd.data import Dataset

FLOAT = 4  # bytes
USED = 0.8  # the part of the free memory that a step may take: allocators waste some
SMALL = 2**28  # bytes: below, no step is looked at; that takes a second or two
GB = 1e9


def bound(model: Model, images: int) -> int:
    """Bytes that a step hardly exceeds: 64 maps of full size and width; at their published sizes ConvNet-3 and
    ResNetAP-10 take a quarter of it."""
    return 64 * FLOAT * images * model.width * model.side**2


def in_use(group: Path) -> int:
    """The bytes that a control group cannot give back: what it uses, without files that are only kept in
    memory for a second reading."""
    stat = (
        [line.split() for line in (group / "memory.stat").read_text().splitlines()]
        if (group / "memory.stat").exists()
        else []
    )
    kept = sum(int(value) for name, value in stat if name in ("active_file", "inactive_file"))
    return int((group / "memory.current").read_text()) - kept


def granted(group: Path) -> list[int]:
    """The bytes that a control group (a container's, a batch queue's) and those above it still grant. Linux,
    version 2 of control groups."""
    limits = [(folder, folder / "memory.max") for folder in (group, *group.parents)]
    return [
        int(text) - in_use(folder)
        for folder, limit in limits
        if limit.exists() and (text := limit.read_text().strip()).isdigit()
    ]


def free_bytes(device: torch.device) -> int | None:
    """The memory that is free on the device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    info, group = Path("/proc/meminfo"), Path("/proc/self/cgroup")
    if not info.exists():
        return None
    available = next(
        1024 * int(line.split()[1]) for line in info.read_text().splitlines() if line.startswith("MemAvailable")
    )
    named = (
        [line.removeprefix("0::").strip("/") for line in group.read_text().splitlines() if line.startswith("0::")]
        if group.exists()
        else []
    )
    return min([available, *(left for name in named for left in granted(Path("/sys/fs/cgroup", name)))])


def fitting(step: Step, free: int, device: torch.device) -> int:
    """How many of the step's images may go at once: all, or half of them, a quarter, ... until that fits into the
    free bytes; at least one."""
    from udd.costs.memory import taken

    count = step.images
    while count > 1 and taken(step._replace(images=count), device) > USED * free:
        count = -(-count // 2)
    return count


def steps(config: dict[str, Any], data: Dataset) -> list[Step]:
    """The largest step of each kind that a set takes."""
    options, (_, channels, side, _) = config["distill"], data.train_images.shape
    sizes = Sizes(channels, side, len(data.classes), len(data.train_images), len(data.test_images))
    compiled = distillation_compiles(options, sizes, data.train_images.device)
    return widest(together(shared_steps(options, sizes, compiled), own_steps(config, sizes, compiled)))


def to_come(config: dict[str, Any], data: Dataset) -> int:
    """The bytes that join the data and the images for good: a real batch of every class; velocity, gradient
    and update of the images."""
    pixels = data.train_images[0].nbytes * len(data.classes)
    return config["distill"]["batch_real"] * pixels + 3 * FLOAT * config["ipc"] * pixels


def chunk(config: dict[str, Any], data: Dataset) -> tuple[int | None, str]:
    """How many training images of a class go through the network at once (None: all), and a line that says what
    memory will be taken beyond what the data take already. The line is empty where that is little. Only some
    methods' images can go in parts."""
    if config["method"] not in MATCHING:
        return None, ""
    from udd.costs.memory import taken

    found, device = steps(config, data), data.train_images.device
    if max(bound(step.model, step.images) for step in found) < SMALL:
        return None, ""
    free, lasting = free_bytes(device), to_come(config, data)
    matched = next(step for step in found if step.kind == "synthetic")
    count = matched.images if free is None else fitting(matched, max(0, free - lasting), device)
    total = lasting + max(taken(step._replace(images=count) if step is matched else step, device) for step in found)
    said = f"memory: about {total / GB:.2f} GB beside the data" + (
        "" if free is None else f"; {free / GB:.1f} GB are free"
    )
    if count == matched.images:
        return None, said
    lacking = (
        ""
        if free is None or total < free
        else ", which may still be too much: lower batch_real or net_batch, or take a larger device"
    )
    return count, f"{said}: a class's {matched.images} training images go {count} at a time, twice{lacking}"
