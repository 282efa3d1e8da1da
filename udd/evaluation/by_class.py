"""The accuracy of a network on the test images of each class, and how a training is made to show its network."""

from __future__ import annotations

import torch

from udd.data import Dataset
from udd.evaluation.accuracy import TrainingSet
from udd.evaluation.views import Views
from udd.networks.architectures import Network
from udd.networks.training import accuracy


def by_class(network: torch.nn.Module, data: Dataset) -> list[float]:
    """A network's accuracy on the test images of each class, in %."""
    parts = (data.test_images[data.test_labels == label] for label in range(len(data.classes)))
    return [
        accuracy(network, part, torch.full((len(part),), label, device=part.device), data.mean, data.std)
        for label, part in enumerate(parts)
    ]


def watched(examples: TrainingSet, seen: list[Network]) -> TrainingSet:
    """The same training set; `seen` holds the network that trains on it, once it does. No bit of
    the training depends on it."""

    def views(network: Network, generator: torch.Generator) -> Views:
        seen[:] = [network]
        return examples.views(network, generator) if examples.views else lambda images, labels: (images, labels)

    return examples._replace(views=views)
