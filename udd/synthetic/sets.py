"""A synthetic set as a file: images in [0, 1], labels, the candidate windows, and what is needed to use them alone.

The file is safetensors; its metadata, JSON under the key `udd`, holds: format, dataset, classes, mean, std, whole, config, provenance.
The set is its pixels: which windows join an image in training is a matter of how it is used (udd.evaluation.views).
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
from udd.files import write_atomic

FORMAT = 2
NAMES = ("images", "labels", "windows")


class SyntheticSet(NamedTuple):
    """images float32 [n, K, H, W] in [0, 1]; labels int64 [n], or soft ones float32 [n, C], whose rows sum to 1; windows int64 [N, 4] (top,
    left, height, width), the same for every image; metadata as above, of which `whole` says whether the whole images are training images too, and
    `rate`, where there is one, the learning rate that was learned with them. A class may have any number of images."""

    images: Tensor
    labels: Tensor
    windows: Tensor
    metadata: dict[str, Any]

    def save(self, path: Path | str) -> None:
        """Write the set atomically."""
        save(path, self)

    def show(self, most: int = 10) -> Any:
        """A matplotlib figure of at most `most` images of each of the first ten classes, a row a class; in a notebook it shows itself."""
        return import_module("udd.reports.figures.gallery").of_set(self, most)  # by name: what draws a set is no part of what makes it


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
