"""How much memory a distillation takes, said before the work; where that is more than there is, fewer training images go at once."""

from __future__ import annotations

from pathlib import Path

import torch

from udd.data import Dataset
from udd.distill import Distilled
from udd.estimate.steps import Model, Step

FLOAT = 4  # bytes
USED = 0.8  # the part of the free memory that a step may take: allocators waste some
SMALL = 2**28  # bytes: below, no step is looked at; that takes a second or two
GB = 1e9


def bound(model: Model, images: int) -> int:
    """Bytes that a step hardly exceeds: 64 maps of full size and width; at their published sizes ConvNet-3 and ResNetAP-10 take a quarter of it."""
    return 64 * FLOAT * images * model.width * model.side**2


def granted(group: Path) -> list[int]:
    """The bytes that a control group (a container's, a batch queue's) and those above it still grant. Linux."""
    found = []
    for folder in (group, *group.parents):
        limit, used = folder / "memory.max", folder / "memory.current"
        if limit.exists() and used.exists() and (text := limit.read_text().strip()).isdigit():
            found.append(int(text) - int(used.read_text()))
    return found


def free_bytes(device: torch.device) -> int | None:
    """The memory that is free on the device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    info, group = Path("/proc/meminfo"), Path("/proc/self/cgroup")
    if not info.exists():
        return None
    available = next(1024 * int(line.split()[1]) for line in info.read_text().splitlines() if line.startswith("MemAvailable"))
    named = [line.removeprefix("0::").strip("/") for line in group.read_text().splitlines() if line.startswith("0::")] if group.exists() else []
    return min([available, *(left for name in named for left in granted(Path("/sys/fs/cgroup", name)))])


def fitting(step: Step, free: int) -> int:
    """How many of the step's images may go at once: all, or half of them, a quarter, ... until that fits into the free bytes; at least one."""
    from udd.estimate.memory import peak

    count = step.images
    while count > 1 and peak(step._replace(images=count)) > USED * free:
        count = -(-count // 2)
    return count


def model_of(made: Distilled, data: Dataset) -> Model:
    """The network of a set's distillation."""
    _, channels, side, _ = data.train_images.shape
    return Model(made.options["network"], made.options["width"], channels, side, len(data.classes))


def held(sets: list[Distilled], data: Dataset) -> int:
    """The bytes that lie there throughout: of the data set, a real batch of every class, and the sets (as images, velocity, gradient, update)."""
    options, image = sets[0].options, data.train_images[0].nbytes
    tensors = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    return sum(tensor.nbytes for tensor in tensors) + len(data.classes) * options["batch_real"] * image + sum(4 * made.images.nbytes for made in sets)


def chunk(sets: list[Distilled], data: Dataset, pairs: int) -> tuple[int | None, str]:
    """How many of a class's training images, of which there are at most `pairs`, go through the network at once (None: all), and a line that says
    what memory is expected to be taken. The line is empty where that is little."""
    from udd.estimate.memory import peak

    model, options, free = model_of(sets[0], data), sets[0].options, free_bytes(data.train_images.device)
    if max(bound(model, max(pairs, options["batch_real"])), held(sets, data)) < SMALL:
        return None, ""
    step = Step("synthetic", model, pairs, options["precision"])
    count = pairs if free is None else fitting(step, max(0, free - held(sets, data)))
    largest = max(peak(step._replace(images=count)), peak(step._replace(kind="real", images=options["batch_real"])))
    there = "" if free is None else f"; {free / GB:.1f} GB are free"
    said = f"memory: about {(held(sets, data) + largest) / GB:.2f} GB, {largest / GB:.2f} of them for the largest step{there}"
    if count == pairs:
        return None, said
    return count, f"{said}; so a class's {pairs} training images go {count} at a time, twice"
