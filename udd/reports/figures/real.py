"""Real images to show beside synthetic ones."""

from __future__ import annotations

import torch
from torch import Tensor

from udd.data import Dataset, load
from udd.networks.streams import stream
from udd.networks.training import as_float
from udd.reports.figures.style import Sources


def dataset_of(name: str, sources: Sources) -> Dataset:
    """The data set of a figure, by its manifest."""
    return load(sources.results / "data" / f"{name}.json", sources.root)


def by_class(images: Tensor, labels: Tensor, count: int, classes: int) -> list[list[Tensor]]:
    """The first `count` images of each class, in order: a list of images [K, H, W] a class."""
    return [list(images[(labels == label).nonzero().flatten()[:count]]) for label in range(classes)]


def real_by_class(dataset: Dataset, count: int) -> list[list[Tensor]]:
    """`count` training images of each class, in [0, 1], chosen by a seed of their own."""
    order = torch.randperm(len(dataset.train_images), generator=stream("cpu", "figures", dataset.name))
    chosen = torch.cat([order[dataset.train_labels[order] == label][:count] for label in range(len(dataset.classes))])
    return by_class(as_float(dataset.train_images[chosen]), dataset.train_labels[chosen], count, len(dataset.classes))
