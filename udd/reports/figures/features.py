"""Features of synthetic and real images in the plane, by t-SNE (Fig. 5). A class is a number, as in the paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from udd.config.drawings import reference_path
from udd.evaluation.reference import ReferenceNetworks, embeddings
from udd.evaluation.reference import load as load_reference
from udd.evaluation.views import every
from udd.networks.streams import stream
from udd.reports.figures.real import dataset_of, real_by_class
from udd.reports.figures.style import COLOURS, Sources, place_name, read_set, start, variant_name

MOST = 50  # images of a class
CLASSES = 10  # classes shown


def draw(config: dict[str, Any], sources: Sources) -> Figure:
    """A panel of real images and one a set: t-SNE of the penultimate features of the training
    images that the set decodes to."""
    reference = load_reference(sources.results / reference_path(config["dataset"]))
    dataset = dataset_of(config["dataset"], sources)
    classes = min(CLASSES, len(dataset.classes))
    rows = real_by_class(dataset, MOST)[:classes]
    real = (
        torch.stack([image for row in rows for image in row]),
        torch.tensor([label for label, row in enumerate(rows) for _ in row]),
    )
    panels = [("Real", *real)]
    for found in config["sets"]:
        images, labels = every(read_set(sources, found))
        chosen = some_of_each(labels, classes)
        panels.append((variant_name(config, found["variant"]), images[chosen], labels[chosen]))
    figure, axes = start(2.9 * len(panels), 3.2, 1, len(panels))
    for axis, (name, images, labels) in zip(axes.flat, panels, strict=True):
        scatter(axis, plane(features(reference, images)), labels, f"{name} (n = {len(labels)})")
    figure.suptitle(
        f"{place_name(config)}: t-SNE of the first proxy's penultimate features; a number is a class", fontsize=10
    )
    return figure


def features(reference: ReferenceNetworks, images: Tensor) -> np.ndarray:
    """The first reference network's features of images [n, K, H, W] in [0, 1]: [n, E]."""
    return embeddings(reference.networks[0], images, reference.metadata["mean"], reference.metadata["std"]).numpy()


def some_of_each(labels: Tensor, classes: int) -> Tensor:
    """Indices of at most MOST images of each of the first classes, chosen by a fixed seed."""
    order = torch.randperm(len(labels), generator=stream("cpu", "figures", "features"))
    return torch.cat([order[labels[order] == label][:MOST] for label in range(classes)])


def plane(found: np.ndarray) -> np.ndarray:
    """t-SNE of features, seeded and on one thread, so that it is the same every time. [n, E] -> [n, 2]."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = max(1.0, min(30.0, (len(found) - 1) / 3))
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="random", learning_rate="auto", random_state=0).fit_transform(found)


def scatter(axis: Any, points: np.ndarray, labels: Tensor, name: str) -> None:
    """Draw each point as the number of its class; what is yellow in the palette is black here, to be read on white."""
    colours = [*COLOURS[:8], "#000000", *COLOURS[9:]]
    for (x, y), label in zip(points, labels.tolist(), strict=True):
        axis.text(x, y, str(label), color=colours[label % len(colours)], fontsize=6, ha="center", va="center")
    low, high = points.min(0), points.max(0)
    margin = 0.05 * (high - low) + 1e-6
    axis.set(
        xlim=(low[0] - margin[0], high[0] + margin[0]),
        ylim=(low[1] - margin[1], high[1] + margin[1]),
        xticks=[],
        yticks=[],
    )
    axis.set_title(name)
