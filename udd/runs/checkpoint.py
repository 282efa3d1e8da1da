"""The whole state of a distillation as one safetensors file: pixels, momentum, random states, network, F, window ranks, curve.

Written to a temporary file and renamed, so a run killed at any moment leaves its last whole checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from udd.errors import UserError
from udd.files import write_atomic
from udd.methods.udd import Distilled
from udd.proxies.fresh import Trajectory

FORMAT = 1


def network_state(trajectory: Trajectory) -> dict[str, Tensor]:
    """The network's weights and their momentum, and the random streams."""
    tensors = {f"network/{name}": weight.detach() for name, weight in trajectory.network.named_parameters()}
    for name, weight in trajectory.network.named_parameters():
        momentum = trajectory.optimizer.state.get(weight, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum
    return tensors | {"random/draws": trajectory.draws.get_state(), "random/training": trajectory.training.get_state()}


def set_state(made: Distilled, prefix: str) -> dict[str, Tensor]:
    """One set's tensors."""
    tensors = {"images": made.images, "velocity": made.velocity, "random": made.generator.get_state(), "broken": made.broken}
    if made.averages is not None:
        tensors["averages"] = made.averages
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def save(path: Path, trajectory: Trajectory, sets: list[Distilled], curves: list[Tensor], seconds: float, made_of: str = "") -> None:
    """Write the state atomically. curves: one float64 [rows, columns] a set; seconds: spent so far; made_of: a digest to be asked for again."""
    tensors = network_state(trajectory)
    for number, (made, curve) in enumerate(zip(sets, curves, strict=True)):
        tensors |= set_state(made, f"set{number}") | {f"set{number}/curve": curve}
    metadata = {"format": FORMAT, "outer": trajectory.outer, "inner": trajectory.inner, "chunk": trajectory.engine.chunk, "seconds": seconds}
    metadata |= {"device": sets[0].images.device.type, "made_of": made_of}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomic(path, to_bytes(plain, {"udd": json.dumps(metadata)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's tensors and metadata. Raises UserError if it is truncated or of another format."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("udd", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a whole checkpoint ({' '.join(str(error).split())}); delete it to start this run again") from None
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path}: found a checkpoint of format {metadata.get('format')}, expected {FORMAT}; delete it to start this run again")
    return tensors, metadata


def chunk(path: Path) -> int | None:
    """How many training images the run passed at once (udd.objectives.execution). Raises UserError as `read`."""
    return read(path)[1].get("chunk")


def restore(path: Path, trajectory: Trajectory, sets: list[Distilled], made_of: str = "") -> tuple[list[Tensor], float]:
    """Bring a trajectory and its sets, as they are at the start, to the checkpoint's state. Returns the curves and the seconds spent.

    Raises UserError if the checkpoint is truncated, of another format, or of another kind of device.
    """
    device = sets[0].images.device
    tensors, metadata = read(path)
    if metadata["device"] != device.type:
        raise UserError(f"{path}: a run begun on {metadata['device']} cannot go on on {device.type}; use --device {metadata['device']} or delete it")
    if made_of and metadata.get("made_of") != made_of:
        raise UserError(f"{path}: a checkpoint of other data or another configuration; delete it, or give another file")
    on_device = {name: value.to(device) for name, value in tensors.items() if "random" not in name}
    restore_network(trajectory, on_device)
    trajectory.draws.set_state(tensors["random/draws"])
    trajectory.training.set_state(tensors["random/training"])
    trajectory.outer, trajectory.inner = metadata["outer"], metadata["inner"]
    for number, made in enumerate(sets):
        made.images, made.velocity, made.broken = (on_device[f"set{number}/{name}"] for name in ("images", "velocity", "broken"))
        made.averages = on_device.get(f"set{number}/averages")
        made.generator.set_state(tensors[f"set{number}/random"])
    return [tensors[f"set{number}/curve"] for number in range(len(sets))], metadata["seconds"]


def restore_network(trajectory: Trajectory, tensors: dict[str, Tensor]) -> None:
    """Put the stored weights and momentum into the network and its optimiser."""
    for name, weight in trajectory.network.named_parameters():
        with torch.no_grad():
            weight.copy_(tensors[f"network/{name}"])
        if f"momentum/{name}" in tensors:
            trajectory.optimizer.state[weight]["momentum_buffer"] = tensors[f"momentum/{name}"].clone()
