"""Cached networks (`networks: cached`): weights at several ages, with the real gradients and mean features of
every class, read from files.

One file a network, which udd.proxies.caching makes. The networks never see a synthetic image, so a cache depends
on data set, architecture and `cache_seed` alone, and serves every IPC, policy, ablation, method and seed of the
images. A step meets a random (network, age, draw) of it; the synthetic images share the stored augmentation,
under which the real gradient was taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from udd.errors import UserError
from udd.networks.architectures import Network
from udd.networks.augment import Draws
from udd.objectives.matching import Target


def member_path(folder: str | Path, member: int) -> Path:
    """The file of one network of a cache."""
    return Path(folder) / f"network{member}.safetensors"


def metadata(path: Path) -> dict[str, Any]:
    """What a cache's file says of itself. Raises UserError if it is not one."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return json.loads((file.metadata() or {})["udd"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{path}: not a cached network ({' '.join(str(error).split())}); delete it, and it is made again"
        ) from None


def nbytes(distill: dict[str, Any], parameters: int, embedding: int, classes: int) -> int:
    """About the bytes of one network's file: two a number."""
    return 2 * distill["cache_ages"] * (parameters + distill["cache_draws"] * classes * (parameters + embedding))


def halved(values: Tensor, leading: int) -> tuple[Tensor, Tensor]:
    """Numbers in half precision, and the scale [d1, ..., d_leading] by which each entry of the leading
    dimensions is to be multiplied.

    Its largest number becomes 1: what is 2^-14 of it or more keeps eleven bits, whatever the size of a gradient.
    """
    scale = values.flatten(leading).abs().amax(-1) if values.ndim > leading else values.abs()
    shape = scale.shape + (1,) * (values.ndim - leading)
    return (values / scale.clamp(min=torch.finfo(values.dtype).tiny).view(shape)).half(), scale.float()


def restored(half: Tensor, scale: Tensor) -> Tensor:
    """The numbers whose half and scale these are, in float32."""
    return half.float() * scale.view(scale.shape + (1,) * (half.ndim - scale.ndim))


def meet(folder: Path, distill: dict[str, Any], network: Network, generator: torch.Generator) -> tuple[Draws, Target]:
    """Give the network the weights of a random (network, age) of the cache; a random draw of these: its augmentation,
    and what was seen under it.

    generator: on the CPU, so that nothing waits for a device.
    """
    u = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    member, age, draw = (
        int(part * distill[f"cache_{of}"]) for part, of in zip(u, ("networks", "ages", "draws"), strict=True)
    )
    return recall(member_path(folder, member), network, age, draw)


@torch.no_grad()
def recall(path: Path, network: Network, age: int, draw: int) -> tuple[Draws, Target]:
    """The same for a given file, age and draw, by number. Only what is asked for is read from the mapped file."""
    weights = dict(network.named_parameters())
    with opened(path, next(network.parameters()).device) as (names, at):

        def whole(name: str, *place: int) -> Tensor:
            return restored(at(name, *place), at(f"scale/{name}", *place))

        for name, weight in weights.items():
            weight.copy_(whole(f"weights/{name}", age))
        gradients = tuple(whole(f"gradients/{name}", age, draw) for name in weights)
        draws = {name.removeprefix("draws/"): at(name, age, draw) for name in names if name.startswith("draws/")}
        return draws, Target(gradients, whole("features", age, draw))


def weights(folder: Path, network: Network, member: int, age: int) -> tuple[Tensor, ...]:
    """The weights of a cached network at an age, by number, in the order of `network`'s."""
    with opened(member_path(folder, member), next(network.parameters()).device) as (_, at):
        names = [f"weights/{name}" for name, _ in network.named_parameters()]
        return tuple(restored(at(name, age), at(f"scale/{name}", age)) for name in names)


Expert = Callable[[int], tuple[Tensor, ...]]


def expert(folder: Path, distill: dict[str, Any], network: Network, generator: torch.Generator) -> tuple[Expert, float]:
    """What gives the weights of a random network of the cache, the same at every call, at an age; and a random
    number in [0, 1) beside it.

    generator: on the CPU, so that nothing waits for a device.
    """
    which, share = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    return partial(weights, folder, network, int(which * distill["cache_networks"])), share


@contextmanager
def opened(path: Path, device: torch.device) -> Iterator[tuple[Iterable[str], Callable[..., Tensor]]]:
    """A file's names, and what gives a part of the tensor of a name, on the device: read from the mapped file, or
    from a copy on the device."""
    if device.type == "cuda" and (copy := on_device(path, path.stat().st_mtime_ns, device)):
        yield copy, lambda name, *place: copy[name][place]
        return
    with safe_open(str(path), framework="pt") as file:
        yield file.keys(), lambda name, *place: file.get_slice(name)[place].to(device)


@lru_cache(maxsize=64)  # files: networks that a run meets again
def on_device(path: Path, _written: int, device: torch.device) -> dict[str, Tensor]:
    """All tensors of a file, as it was `written` (ns), on a GPU; none if they take more than an eighth of its free
    memory."""
    if path.stat().st_size > torch.cuda.mem_get_info(device)[0] / 8:
        return {}
    return load_file(path, str(device))
