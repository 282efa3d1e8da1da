"""Classes of fewer training images than IPC, where they are asked for: each keeps as many images as it has.

All classes are distilled alike, `ipc` images each; the images of a class that has fewer start from its own again. The
rest is cut off the finished set, so that a set without such classes is the same with and without the asking.
"""

from __future__ import annotations

from typing import Any

import torch

from udd.config.plan import images_a_class
from udd.data import Dataset
from udd.methods import coresets, times
from udd.synthetic.sets import SyntheticSet


def smaller(data: Dataset, ipc: int) -> dict[int, int]:
    """The classes (their labels) of fewer than `ipc` training images, and how many they have."""
    counts = torch.bincount(data.train_labels, minlength=len(data.classes)).tolist()
    return {label: count for label, count in enumerate(counts) if count < ipc}


def chosen(config: dict[str, Any], data: Dataset, place: torch.device) -> torch.Tensor:
    """The indices of a coreset: those of its method, and all images of a class that has fewer."""
    if not smaller(data, images_a_class(config)):
        return times.coreset(config, data, place)
    choose = coresets.chooser(times.multiplied(config), data, place)
    members = ((data.train_labels == label).nonzero()[:, 0] for label in range(len(data.classes)))
    return torch.cat([choose(each)[: len(each)] for each in members])


def trimmed(made: SyntheticSet, fewer: dict[int, int]) -> SyntheticSet:
    """The set with the first so many images of these classes; its provenance says so."""
    if not fewer:
        return made
    labels = made.labels
    if labels.ndim > 1:  # soft ones need not say whose image it is, but images stand class by class
        labels = torch.arange(len(made.metadata["classes"])).repeat_interleave(made.metadata["config"]["ipc"])
    each = ((labels == label).nonzero()[:, 0][: fewer.get(label)] for label in range(len(made.metadata["classes"])))
    kept = torch.cat(list(each))
    said = {"smaller_classes": {made.metadata["classes"][label]: count for label, count in fewer.items()}}
    metadata = made.metadata | {"provenance": made.metadata["provenance"] | said}
    return made._replace(images=made.images[kept], labels=made.labels[kept], metadata=metadata)
