"""Evaluation (Sec. 3.1): fresh networks trained on one set, and their accuracy on the real test images.

`udd evaluate --config JSON --manifest M --root DIR [--set SET.safetensors] --out RECORD.json`; `full` takes no set. The
headline is the accuracy after the last epoch. The best of four check-ups stands beside it, only to compare with figures
that were published that way; the test images never choose anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from udd.config import plan
from udd.config.compare import difference
from udd.data import Dataset
from udd.errors import UserError
from udd.evaluation import CHOSEN, views
from udd.networks.architectures import Network, build
from udd.networks.compilation import compiled, pays, training_flop
from udd.networks.precision import PRECISIONS, Precision, rounded
from udd.networks.streams import stream
from udd.networks.training import accuracy, epochs, steps_an_epoch, train
from udd.synthetic.sets import SyntheticSet
from udd.synthetic.sets import load as load_set

Config = dict[str, Any]


class Rounding(nn.Module):
    """A network whose convolutions and products take a precision; its weights and logits keep their own type."""

    network: Network

    def __init__(self, network: Network, precision: Precision):
        super().__init__()
        self.network, self.precision = network, precision

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [n, C] of images [n, K, H, W]."""
        with rounded(inputs, self.precision):
            return self.network(inputs).to(inputs.dtype)


def begin(config: Config, dataset: Dataset, device: torch.device) -> tuple[Rounding, torch.Generator]:
    """A new network on `device` in the recipe's precision, and the random stream that made it and trains it.

    The random numbers follow from data set, set seed, architecture, width and network seed:
    variants meet the same networks.
    """
    recipe, architecture = config["evaluate"], config["architecture"]
    width = recipe["width"]
    generator = stream(device, "evaluate", dataset.name, config["set"]["seed"], architecture, width, config["network"])
    _, channels, side, _ = dataset.test_images.shape
    network = build(architecture, channels, side, len(dataset.classes), width, generator)
    return Rounding(network, PRECISIONS[recipe["precision"]]), generator


def worth_compiling(recipe: Config, network: nn.Module, examples: TrainingSet) -> bool:
    """Whether to compile the training of such a network."""
    flop = training_flop(network, examples.images[:1], recipe["epochs"] * examples.decoded)
    return pays(recipe["compile"], flop, examples.images.device)


def checked(config: Config, epoch: int, epochs: int, value: float) -> tuple[int, float]:
    """A check-up, and a line of the log that says it."""
    print(f"{title(config)} epoch {epoch}/{epochs}: test accuracy {value:.2f} %", file=sys.stderr, flush=True)
    return epoch, value


def results(found: list[tuple[int, float]]) -> Config:
    """What the check-ups (epoch, accuracy) of a network come to, in %: the headline is the last."""
    return {"accuracy": found[-1][1], "accuracy_best": max(value for _, value in found), "checkups": found}


class TrainingSet(NamedTuple):
    """What to train on: images [n, K, H, W] in [0, 1] (bytes: real ones) and labels [n]; how an epoch's views are made
    of them where they change (else None), given the network and its random stream; how many images an epoch has."""

    images: Tensor
    labels: Tensor
    views: Callable[[Network, torch.Generator], views.Views] | None
    decoded: int


def evaluate(config: Config, dataset: Dataset, examples: TrainingSet, device: torch.device) -> Config:
    """Train a new network on `device`; return accuracy, accuracy_best and check-ups in %, and the seconds it took."""
    recipe, begun = recipe_for(config, examples.decoded, len(dataset.classes)), time.perf_counter()
    network, generator = begin(config, dataset, device)
    trained: Any = compiled(network) if worth_compiling(recipe, network, examples) else network
    found: list[tuple[int, float]] = []

    def check_up(epoch: int) -> None:
        if epoch in checkup_epochs(recipe["epochs"], recipe["checkups"]):
            value = accuracy(network, dataset.test_images, dataset.test_labels, dataset.mean, dataset.std)
            found.append(checked(config, epoch, recipe["epochs"], value))

    chosen = examples.views(network.network, generator) if examples.views else None
    train(
        trained, examples.images, examples.labels, recipe, dataset.mean, dataset.std, generator, check_up, views=chosen
    )
    return results(found) | {"seconds": round(time.perf_counter() - begun, 3)}


def recipe_for(config: Config, images: int, classes: int) -> Config:
    """The recipe with the epochs that it comes to for so many images an epoch."""
    return config["evaluate"] | {"epochs": epochs(config["evaluate"], images, classes)}


def title(config: Config) -> str:
    """What a log calls an evaluation, its record's file and the network:
    cifar10/ipc10/udd/seed0/idc/convnet3 network 1."""
    made = config["set"]
    cell = plan.Cell(made["dataset"]["name"], made["ipc"], made["variant"])
    path = plan.Record(cell, made["seed"], config["protocol"], config["architecture"]).path
    return f"{path.removesuffix('.json')} network {config['network']}"


def checkup_epochs(epochs: int, checkups: int) -> set[int]:
    """Evenly spaced epochs, counted from 1; the last is one of them."""
    return {max(1, epochs * part // checkups) for part in range(1, checkups + 1)}


def check_set(found: SyntheticSet, config: Config, dataset: Dataset, path: Path) -> None:
    """Raise UserError unless the set is of this data set, these classes and this planned configuration."""
    metadata = found.metadata
    if metadata["dataset"] != dataset.name:
        raise UserError(
            f"{path}: a set of {metadata['dataset']}, expected one of {dataset.name}; give the set of this data set"
        )
    if list(metadata["classes"]) != list(dataset.classes):
        counts = (
            f"{len(metadata['classes'])} classes, expected the {len(dataset.classes)} of {dataset.name} in their order"
        )
        raise UserError(f"{path}: {counts}; distil it again")
    if found.images.shape[1:] != dataset.test_images.shape[1:]:
        shapes = f"{list(found.images.shape[1:])}, expected {list(dataset.test_images.shape[1:])} as in {dataset.name}"
        raise UserError(f"{path}: images of shape {shapes}; distil it again")
    differing = difference(metadata["config"], config["set"])
    if differing:
        raise UserError(
            f"{path}: made with another configuration: {differing}; distil it again or evaluate it with its own"
        )


def size_in_bytes(*tensors: Tensor) -> int:
    """The bytes that tensors take as stored."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def sizes(stored_bytes: int, stored_images: int, decoded_images: int) -> dict[str, int]:
    """A record's account of what the set took and what it gave."""
    return {"stored_bytes": stored_bytes, "stored_images": stored_images, "decoded_images": decoded_images}


def training_set(config: Config, dataset: Dataset, path: Path | None) -> tuple[TrainingSet, dict[str, int]]:
    """What to train on, and what it took: stored_bytes, stored_images, decoded_images."""
    if config["set"]["method"] == "full":
        images, labels = dataset.train_images, dataset.train_labels
        return TrainingSet(images, labels, None, len(images)), sizes(
            size_in_bytes(images, labels), len(images), len(images)
        )
    if path is None:
        raise UserError(f"--set is missing: variant {config['set']['variant']} is evaluated on a set; give its file")
    found, reading, device = load_set(path), config["evaluate"]["views"], dataset.test_images.device
    check_set(found, config, dataset, path)
    images, labels = (each.to(device) for each in views.fixed(found, reading))
    account = sizes(size_in_bytes(found.images, found.labels, found.windows), len(found.images), len(images))
    if not views.changes(found, reading):
        return TrainingSet(images, labels, None, len(images)), account
    count = len(found.images) * (views.own_section(found)["selected"] + found.metadata["whole"])
    chosen = partial(import_module(CHOSEN).anew, found, reading)
    return TrainingSet(images, labels, chosen, count), account | {"decoded_images": count}


def trained(config: Config, examples: TrainingSet, classes: int) -> dict[str, int]:
    """How long each network is trained: epochs, and SGD steps."""
    recipe = recipe_for(config, examples.decoded, classes)
    return {"epochs": recipe["epochs"], "steps": recipe["epochs"] * steps_an_epoch(examples.decoded, recipe["batch"])}
