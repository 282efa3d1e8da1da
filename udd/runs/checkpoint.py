"""The whole state of a distillation as one safetensors file: the method's state, random states, the network and
its momentum, the curve.

Written to a temporary file and renamed, so a run killed at any moment leaves its last whole checkpoint. Any
State of tensors will do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from udd.errors import UserError
from udd.files import write_atomic
from udd.proxies.fresh import Trajectory

FORMAT = 2


class Kept(NamedTuple):
    """What a run is made of beside its networks: the method's State, the set's random stream, per class the first
    iteration (from 1) whose numbers were not finite (0: none) [C], the curve float64 [rows, columns] and its columns,
    the seconds spent, which real images were last chosen by clusters [C, R] ([C, 0]: none), the most bytes that a
    process at it had resident, and the pixels' rate where one was found (0: was given)."""

    state: Any
    generator: torch.Generator
    broken: Tensor
    curve: Tensor
    columns: list[str]
    seconds: float
    chosen: Tensor
    peak: int = 0
    image_lr: float = 0.0


def network_state(trajectory: Trajectory) -> dict[str, Tensor]:
    """The network's weights and their momentum, and the random streams."""
    tensors = {f"network/{name}": weight.detach() for name, weight in trajectory.network.named_parameters()}
    for name, weight in trajectory.network.named_parameters():
        momentum = trajectory.optimizer.state.get(weight, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum
    return tensors | {"random/draws": trajectory.draws.get_state(), "random/training": trajectory.training.get_state()}


def flattened(state: Any) -> dict[str, Tensor]:
    """A State's tensors by name; those of a tuple are numbered."""
    found: dict[str, Tensor] = {}
    for name, value in state._asdict().items():
        found |= (
            {f"state/{name}/{i}": each for i, each in enumerate(value)}
            if isinstance(value, tuple)
            else {f"state/{name}": value}
        )
    return found


def unflattened(like: Any, tensors: dict[str, Tensor]) -> Any:
    """The State of the type of `like` whose tensors these are."""
    values = {}
    for name, value in like._asdict().items():
        numbered = sorted(
            (int(key.rsplit("/", 1)[1]), found) for key, found in tensors.items() if key.startswith(f"state/{name}/")
        )
        values[name] = tuple(found for _, found in numbered) if isinstance(value, tuple) else tensors[f"state/{name}"]
    return type(like)(**values)


def save(path: Path, trajectory: Trajectory, kept: Kept, made_of: str = "") -> None:
    """Write the state atomically. made_of: a digest to be asked for again."""
    tensors = network_state(trajectory) | flattened(kept.state)
    tensors |= {"random/set": kept.generator.get_state(), "broken": kept.broken, "curve": kept.curve}
    tensors |= {"chosen": kept.chosen} if kept.chosen.numel() else {}
    metadata = {
        "format": FORMAT,
        "outer": trajectory.outer,
        "inner": trajectory.inner,
        "chunk": trajectory.execution.chunk,
        "seconds": kept.seconds,
    }
    metadata |= {"device": kept.broken.device.type, "made_of": made_of, "columns": kept.columns, "peak": kept.peak}
    metadata |= {"image_lr": kept.image_lr} if kept.image_lr else {}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomic(path, to_bytes(plain, {"udd": json.dumps(metadata)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's tensors and metadata. Raises UserError if it is truncated or of another format."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("udd", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, json.JSONDecodeError) as error:
        advice = "if it is one of this run, delete it to start again, else give another name"
        raise UserError(f"{path}: not a whole checkpoint ({' '.join(str(error).split())}); {advice}") from None
    if "classes" in metadata:
        raise UserError(f"{path}: a finished set, where a checkpoint would go; give the checkpoint another name")
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"{path}: found a checkpoint of format {metadata.get('format')}, expected {FORMAT}; delete it to start "
            "this run again"
        )
    return tensors, metadata


def chunk(path: Path) -> int | None:
    """How many training images the run passed at once (udd.objectives.execution). Raises UserError as `read`."""
    return read(path)[1].get("chunk")


def check(path: Path, made_of: str) -> None:
    """Raise UserError, before any work, if there is a checkpoint of something else than `made_of`, or none that is
    whole."""
    if path.exists():
        refuse_other(path, read(path)[1], made_of)


def refuse_other(path: Path, metadata: dict[str, Any], made_of: str) -> None:
    """Raise UserError unless a checkpoint's metadata says that it is of `made_of`."""
    if metadata.get("made_of") != made_of:
        raise UserError(
            f"{path}: a checkpoint of other data, another configuration or other code; delete it, or give another file"
        )


def restore(path: Path, trajectory: Trajectory, kept: Kept, made_of: str = "") -> Kept:
    """Bring a trajectory, as it is at the start, to the checkpoint's state, and return what was kept;
    `kept` says of what kind.

    Raises UserError if the checkpoint is truncated, of another format, of other data or configuration, or
    of another kind of device.
    """
    device = kept.broken.device
    tensors, metadata = read(path)
    if metadata["device"] != device.type:
        raise UserError(
            f"{path}: a run begun on {metadata['device']} cannot go on on {device.type}; use --device "
            f"{metadata['device']} or delete it"
        )
    if made_of:
        refuse_other(path, metadata, made_of)
    on_device = {name: value.to(device) for name, value in tensors.items() if not name.startswith("random/")}
    restore_network(trajectory, on_device)
    trajectory.draws.set_state(tensors["random/draws"])
    trajectory.training.set_state(tensors["random/training"])
    kept.generator.set_state(tensors["random/set"])
    trajectory.outer, trajectory.inner = metadata["outer"], metadata["inner"]
    state, chosen = unflattened(kept.state, on_device), on_device.get("chosen", kept.chosen)
    told = (metadata["columns"], metadata["seconds"], chosen, metadata.get("peak", 0), metadata.get("image_lr", 0.0))
    return Kept(state, kept.generator, on_device["broken"], tensors["curve"], *told)


def restore_network(trajectory: Trajectory, tensors: dict[str, Tensor]) -> None:
    """Put the stored weights and momentum into the network and its optimiser."""
    for name, weight in trajectory.network.named_parameters():
        with torch.no_grad():
            weight.copy_(tensors[f"network/{name}"])
        if f"momentum/{name}" in tensors:
            trajectory.optimizer.state[weight]["momentum_buffer"] = tensors[f"momentum/{name}"].clone()
