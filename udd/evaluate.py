"""Evaluation (Sec. 3.1): a fresh network trained on one set, and its accuracy on the real test images. One run, one record.

`python -m udd.evaluate --config JSON --manifest M --root DIR [--set SET.safetensors] --out RECORD.json`; `full` takes no set.
The headline is the accuracy after the last epoch. The best of four check-ups stands beside it, only to compare with figures that
were published that way; the test images never choose anything.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from udd import plan
from udd.cli import UserError
from udd.compare import difference
from udd.compilation import compiled, pays, training_flop
from udd.data import Dataset
from udd.networks import build
from udd.provenance import provenance
from udd.seeds import stream
from udd.synthetic import SyntheticSet, training_images
from udd.synthetic import load as load_set
from udd.train import accuracy, train

Config = dict[str, Any]
FORMAT = 1
CHECKUPS = 4


def evaluate(config: Config, dataset: Dataset, images: Tensor, labels: Tensor, device: torch.device) -> Config:
    """Train a new network on images [n, K, H, W] and labels [n], on `device`; return accuracy, accuracy_best4 and check-ups in %.

    The random numbers follow from data set, set seed, architecture, width and network seed: variants meet the same networks.
    """
    recipe, architecture = config["evaluate"], config["architecture"]
    names = ["evaluate", dataset.name, config["set"]["seed"], architecture, recipe["width"], config["network"]]
    generator = stream(device, *names)
    network = build(architecture, images.shape[1], images.shape[2], len(dataset.classes), recipe["width"], generator)
    work = training_flop(network, images[:1], recipe["epochs"] * len(images))
    trained: Any = compiled(network) if pays(recipe["compile"], work, device) else network
    found: list[tuple[int, float]] = []

    def check_up(epoch: int) -> None:
        if epoch in checkup_epochs(recipe["epochs"]):
            found.append((epoch, accuracy(network, dataset.test_images, dataset.test_labels, dataset.mean, dataset.std)))
            print(f"{title(config)} epoch {epoch}/{recipe['epochs']}: test accuracy {found[-1][1]:.2f} %", file=sys.stderr, flush=True)

    train(trained, images, labels, recipe, dataset.mean, dataset.std, generator, check_up)
    return {"accuracy": found[-1][1], "accuracy_best4": max(value for _, value in found), "checkups": found}


def title(config: Config) -> str:
    """The name of a record in a log, that of its file: cifar10/ipc10/udd/seed0/idc/convnet3/network1."""
    made = config["set"]
    cell = plan.Cell(made["dataset"]["name"], made["ipc"], made["variant"])
    return plan.Record(cell, made["seed"], config["protocol"], config["architecture"], config["network"]).path.removesuffix(".json")


def checkup_epochs(epochs: int) -> set[int]:
    """Four evenly spaced epochs, counted from 1; the last is one of them."""
    return {max(1, epochs * part // CHECKUPS) for part in range(1, CHECKUPS + 1)}


def check_set(found: SyntheticSet, config: Config, dataset: Dataset, path: Path) -> None:
    """Raise UserError unless the set is of this data set, these classes and this planned configuration."""
    metadata = found.metadata
    if metadata["dataset"] != dataset.name:
        raise UserError(f"{path}: a set of {metadata['dataset']}, expected one of {dataset.name}; give the set of this data set")
    if list(metadata["classes"]) != list(dataset.classes):
        counts = f"{len(metadata['classes'])} classes, expected the {len(dataset.classes)} of {dataset.name} in their order"
        raise UserError(f"{path}: {counts}; distil it again")
    if found.images.shape[1:] != dataset.test_images.shape[1:]:
        shapes = f"{list(found.images.shape[1:])}, expected {list(dataset.test_images.shape[1:])} as in {dataset.name}"
        raise UserError(f"{path}: images of shape {shapes}; distil it again")
    differing = difference(metadata["config"], config["set"])
    if differing:
        raise UserError(f"{path}: made with another configuration: {differing}; distil it again or evaluate it with its own")


def size_in_bytes(*tensors: Tensor) -> int:
    """The bytes that tensors take as stored."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def sizes(stored_bytes: int, stored_images: int, decoded_images: int) -> dict[str, int]:
    """A record's account of what the set took and what it gave."""
    return {"stored_bytes": stored_bytes, "stored_images": stored_images, "decoded_images": decoded_images}


def training_set(config: Config, dataset: Dataset, path: Path | None) -> tuple[Tensor, Tensor, dict[str, int]]:
    """The images [n, K, H, W] and labels [n] to train on, and what they took: stored_bytes, stored_images, decoded_images."""
    if config["set"]["method"] == "full":
        images, labels = dataset.train_images, dataset.train_labels
        return images, labels, sizes(size_in_bytes(images, labels), len(images), len(images))
    if path is None:
        raise UserError(f"--set is missing: variant {config['set']['variant']} is evaluated on a set; give its file")
    found = load_set(path)
    check_set(found, config, dataset, path)
    images, labels = training_images(found, config["evaluate"]["regions"])
    stored = size_in_bytes(found.images, found.labels, found.regions, found.windows)
    device = dataset.test_images.device
    return images.to(device), labels.to(device), sizes(stored, len(found.images), len(images))


def record(config: Config, dataset: Dataset, path: Path | None, device: torch.device) -> Config:
    """Evaluate and return the whole record."""
    images, labels, account = training_set(config, dataset, path)
    start = time.perf_counter()
    results = evaluate(config, dataset, images, labels, device)
    seconds = round(time.perf_counter() - start, 3)
    made = provenance("udd.evaluate", device)
    return {"format": FORMAT, "config": config, "seconds": seconds, "provenance": made} | account | results


if __name__ == "__main__":
    from udd.cli import main
    from udd.evaluation_job import run

    main(run)
