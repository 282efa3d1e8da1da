"""Algorithm 1: distil a data set into a few synthetic images a class.

    udd distill --params params.yaml --dataset cifar10 --ipc 10 --variant udd --seed 0      # by hand
    udd distill --config JSON --manifest M --root DIR --out SET --curve CSV --checkpoints DIR

A run goes on from its last checkpoint by itself, with the same bits as if it had never been cut (on the CPU). Cells of one data set and
seed that share the networks' schedule can advance in lockstep: a JSON list for --config and as many --out and --curve.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods import policies
from udd.networks.streams import stream
from udd.objectives.losses import moving_average
from udd.objectives.matching import Matched, Work, matching_step, mean_features
from udd.proxies.fresh import Trajectory, new_network, real_batches, train_on
from udd.synthetic import initial
from udd.synthetic.regions import Windows, candidate_windows, training_pairs
from udd.synthetic.sets import SyntheticSet


@dataclass
class Distilled:
    """Where one synthetic set stands: pixels [C, B, K, H, W] and their momentum, moving average features F [C, D] of the current network
    (None before its first step), its random stream, and per class the first iteration (from 1) whose loss was not finite (0: none)."""

    config: dict[str, Any]
    among: Windows
    images: Tensor
    velocity: Tensor
    generator: torch.Generator
    averages: Tensor | None = None
    broken: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    @property
    def options(self) -> dict[str, Any]:
        """The section `distill` of its configuration."""
        return self.config["distill"]


def begin(config: dict[str, Any], data: Dataset) -> Distilled:
    """A set at its start: real images, or grids of down-sized ones (Sec. 2.1)."""
    options, device, classes = config["distill"], data.train_images.device, len(data.classes)
    generator = stream(device, "images", data.name, config["ipc"], config["seed"])
    real = (data.train_images, data.train_labels, classes, config["ipc"])
    images = initial.mix(*real, options["factor"], generator) if options["init"] == "mix" else initial.real(*real, generator)
    among = candidate_windows(options, images.shape[-1], images)
    broken = torch.zeros(classes, dtype=torch.int64, device=device)
    return Distilled(config, among, images, torch.zeros_like(images), generator, broken=broken)


def learning_rate(options: dict[str, Any], ipc: int, outer: int) -> float:
    """The pixels' rate: image_lr x IPC/10 (IDC's rule), decayed after the given fractions of the outer iterations (Sec. 3)."""
    passed = sum(outer >= round(at * options["outer"]) for at in options["image_lr_decay_at"])
    return options["image_lr"] * ipc / 10 * options["image_lr_decay"] ** passed


def statistics(data: Dataset, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the data set's channels, as tensors of the type and on the device of `like`."""
    return torch.tensor(data.mean).to(like), torch.tensor(data.std).to(like)


def prepare(made: Distilled, trajectory: Trajectory, mean: Tensor, std: Tensor) -> Work:
    """S_c^train of every class (line 6): search, and pair images with their underutilised windows. Starts F with a new network."""
    ranks = policies.search(trajectory.network, made.images, made.among.boxes, mean, std, made.options, made.generator)  # [C, B, N]
    chosen = policies.lowest(ranks, made.options)
    pairs = training_pairs(chosen, made.among, made.options["max_pairs"], made.generator)
    if made.averages is None:
        made.averages = mean_features(trajectory.network, made.images, pairs, made.among, mean, std)
    return Work(made.images, pairs, made.among, made.averages, made.options)


def update(made: Distilled, got: Matched, outer: int, iteration: int) -> None:
    """One descent step on the pixels (line 7; Eq. 10), and F one step on (Eq. 8)."""
    options = made.options
    made.velocity = options["image_momentum"] * made.velocity + got.gradient
    made.images = made.images - learning_rate(options, made.config["ipc"], outer) * made.velocity
    assert made.averages is not None
    made.averages = moving_average(made.averages, got.features, options["cfc_average"])
    finite = (got.loss_gradient + got.loss_cfc).isfinite() & made.images.flatten(1).isfinite().all(1)
    made.broken = torch.where((made.broken == 0) & ~finite, iteration, made.broken)


def inner_step(trajectory: Trajectory, sets: list[Distilled], data: Dataset, index: tuple[Tensor, Tensor], parts: bool) -> list[Matched]:
    """Lines 4 to 10 of Algorithm 1: one step on the images of all classes and sets, then the network trains on real data."""
    options = sets[0].options
    mean, std = statistics(data, sets[0].images)
    real, draws = real_batches(trajectory, data, index, options)  # line 5
    works = [prepare(made, trajectory, mean, std) for made in sets]  # line 6
    found = matching_step(trajectory.network, works, real, draws, mean, std, parts, trajectory.engine)
    iteration = trajectory.outer * options["inner"] + trajectory.inner + 1
    for made, got in zip(sets, found, strict=True):
        update(made, got, trajectory.outer, iteration)  # line 7
    train_on(trajectory, data, options)  # lines 9, 10
    return found


def begin_network(trajectory: Trajectory, sets: list[Distilled], data: Dataset) -> None:
    """Line 2: a new random network; F starts anew with it, and pixels are clamped to [0, 1]."""
    new_network(trajectory, data, sets[0].options)
    for made in sets:
        made.images = made.images.clamp(0, 1)
        made.averages = None


def advance(trajectory: Trajectory, sets: list[Distilled], data: Dataset, index: tuple[Tensor, Tensor], parts: bool) -> list[Matched]:
    """One inner iteration, with what comes before the first and after the last of a network."""
    if trajectory.inner == 0:
        begin_network(trajectory, sets, data)
    found = inner_step(trajectory, sets, data, index, parts)
    trajectory.inner += 1
    if trajectory.inner == sets[0].options["inner"]:
        trajectory.outer, trajectory.inner = trajectory.outer + 1, 0
    return found


def finished(made: Distilled, data: Dataset, outer: int, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored after `outer` networks: S, labels, candidate windows, metadata. It is the set of a schedule that ends there."""
    config = made.config | {"distill": made.options | {"outer": outer}}
    labels = torch.arange(len(data.classes)).repeat_interleave(made.config["ipc"])
    metadata = {"dataset": data.name, "classes": data.classes, "mean": data.mean, "std": data.std}
    metadata |= {"whole": made.among.whole, "config": config, "provenance": provenance}
    return SyntheticSet(made.images.clamp(0, 1).flatten(0, 1), labels, made.among.boxes, metadata)
