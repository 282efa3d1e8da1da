"""A synthetic set as a file: images in [0, 1], labels, the candidate windows, and what is needed to use them alone.

The file is safetensors; its metadata, JSON under the key `udd`, holds: format, dataset, classes, mean, std, whole,
config, provenance, `like`, the known data set that its own is a part of, where there is one, and `flip`: false where no
augmentation mirrored its images. The set is its pixels: which windows join an image in training is a matter of how it
is used (udd.evaluation.views).
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from udd.errors import UserError
from udd.files import as_path, write_atomic

FORMAT = 2
NAMES = ("images", "labels", "windows")
ABOUT = ("dataset", "classes", "whole", "config")  # without which nothing can be done with it


class SyntheticSet(NamedTuple):
    """images float32 [n, K, H, W] in [0, 1]; labels int64 [n], or soft ones float32 [n, C], whose rows sum to 1;
    windows int64 [N, 4] (top, left, height, width), the same for every image; metadata as above, of which `whole` says
    whether the whole images are training images too, and `rate`, where there is one, the learning rate that was learned
    with them. A class may have any number of images."""

    images: Tensor
    labels: Tensor
    windows: Tensor
    metadata: dict[str, Any]

    def save(self, path: Path | str) -> None:
        """Write the set atomically. Raises UserError for a name that does not end in .safetensors."""
        if as_path(path).suffix != ".safetensors":
            raise UserError(f"{path}: expected a name that ends in .safetensors")
        save(path, self)

    def show(self, most: int = 10) -> Any:
        """A matplotlib figure of at most `most` images of each of the first ten classes, a row a class; in a
        notebook it shows itself."""
        # By name: what draws a set is no part of what makes it
        return import_module("udd.reports.figures.gallery").of_set(self, most)


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
            if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
                found = metadata.get("format") if isinstance(metadata, dict) else None
                raise UserError(
                    f"{path}: found a set of format {found}, expected {FORMAT}; make it again with this version"
                )
            made = SyntheticSet(**{name: file.get_tensor(name) for name in NAMES}, metadata=metadata)
    except FileNotFoundError:
        raise UserError(f"{path}: no such set; make it with snakemake or pull it with dvc pull") from None
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path}: not a whole synthetic set ({' '.join(str(error).split())}); delete it and make it again"
        ) from None
    if wrong := fault(made):
        raise UserError(f"{path}: not a set of this package: {wrong}")
    return made


def fault(made: SyntheticSet) -> str:
    """What is wrong with a set that was read, in words; empty if nothing is."""
    images, labels, windows, about = made
    if lacking := [key for key in ABOUT if key not in about]:
        return f"its metadata has no {lacking[0]}"
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        return f"images are {images.dtype} {list(images.shape)}, expected floats [n, K, H, W]"
    expected = (len(images),) if labels.ndim == 1 else (len(images), len(about["classes"]))
    if tuple(labels.shape) != expected or labels.is_floating_point() != (labels.ndim == 2):
        return (
            f"labels are {labels.dtype} {list(labels.shape)} of {len(images)} images, expected int64 [n] or floats [n, "
            "C]"
        )
    if labels.ndim == 1 and not 0 <= labels.min() <= labels.max() < len(about["classes"]):
        return f"labels run from {int(labels.min())} to {int(labels.max())}, of {len(about['classes'])} classes"
    if windows.ndim != 2 or windows.shape[1] != 4 or windows.is_floating_point():
        return f"windows are {windows.dtype} {list(windows.shape)}, expected whole numbers [N, 4]"
    corners, sides = windows[:, :2], windows[:, 2:]
    if (corners < 0).any() or (sides < 1).any() or (corners + sides > images.shape[-1]).any():
        return f"windows reach beyond its images of side {images.shape[-1]}"
    return ""
