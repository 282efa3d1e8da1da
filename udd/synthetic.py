"""A synthetic set as a file: images in [0, 1], labels, the windows chosen for each image, and what is needed to use them alone.

The file is safetensors; its metadata, JSON under the key `udd`, holds: format, dataset, classes, mean, std, whole, config, provenance.
Regions cost no pixels: they are a mask over the candidate windows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from udd.cli import UserError
from udd.files import write_atomic
from udd.regions import crop_resize, windows

FORMAT = 1
NAMES = ("images", "labels", "regions", "windows")


class SyntheticSet(NamedTuple):
    """images float32 [n, K, H, W] in [0, 1]; labels int64 [n]; regions uint8 [n, N], 1 where a window is used; windows int64 [N, 4]
    (top, left, height, width); metadata as above, of which `whole` says whether the whole images are training images too."""

    images: Tensor
    labels: Tensor
    regions: Tensor
    windows: Tensor
    metadata: dict[str, Any]


def save(path: Path | str, made: SyntheticSet) -> None:
    """Write a set atomically; the same set gives the same bytes."""
    tensors = {name: getattr(made, name).detach().cpu().contiguous() for name in NAMES}
    metadata = {"udd": json.dumps({"format": FORMAT} | made.metadata, sort_keys=True)}
    write_atomic(path, to_bytes(tensors, metadata))


def load(path: Path | str) -> SyntheticSet:
    """Read a set. Raises UserError if the file is missing, truncated, not a set, or of another format."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("udd", "{}"))
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path}: found a set of format {metadata.get('format')}, expected {FORMAT}; make it again with this version")
            return SyntheticSet(**{name: file.get_tensor(name) for name in NAMES}, metadata=metadata)
    except FileNotFoundError:
        raise UserError(f"{path}: no such set; make it with snakemake or pull it with dvc pull") from None
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a whole synthetic set ({' '.join(str(error).split())}); delete it and make it again") from None


def training_images(made: SyntheticSet, use: str = "stored") -> tuple[Tensor, Tensor]:
    """The images that a network trains on, decoded, and their labels (method: a set and its regions, (1 + P) x IPC images a class).

    use: `stored` windows, `all` candidate windows, or `none` (the images alone, also for IDC's grid). [m, K, H, W], [m].
    """
    if use == "none" or not len(made.windows):
        return made.images, made.labels
    side = made.images.shape[-1]
    among = windows(made.windows, side, made.metadata["whole"], made.images)
    mask = made.regions.bool() if use == "stored" else torch.ones_like(made.regions, dtype=torch.bool)  # [n, N]
    image, window = mask.nonzero(as_tuple=True)
    images, labels = crop_resize(made.images[image], window, among), made.labels[image]
    if among.whole:
        images, labels = torch.cat([made.images, images]), torch.cat([made.labels, labels])
    return images, labels
