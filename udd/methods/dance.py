"""DANCE, dual-view distribution alignment (Zhang et al. 2024): first order, on networks between untrained and trained.

Within a class (Sec. 3.2, "pseudo long-term distribution alignment"), the mean embeddings of synthetic and real
images are brought together by a network whose weights lie between those of a network at its start and at its end.
Between classes (Sec. 3.3, "distribution calibration"), the trained network is to classify the synthetic images
rightly. Images are grids of small ones, as IDC's. The two gradients are added in one step under one draw of the
augmentation, where the authors' code takes one step after the other, each with its own draw, and goes through the
classes in turn; networks come from the cache, so their training is its: at a constant rate, where the authors
lower theirs after two thirds and five sixths.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.methods import EXPERTS
from udd.methods.alignment import alignment, real_embeddings
from udd.methods.idc import finish, training_set
from udd.methods.updates import Momentum as State
from udd.methods.updates import clamped as end_network
from udd.methods.updates import learning_rate, momentum_step
from udd.methods.updates import with_momentum as begin
from udd.networks.architectures import Network
from udd.objectives.features import mean_distance
from udd.proxies.meeting import Meeting, Scalars

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = EXPERTS


@torch.no_grad()
def load(network: Network, start: tuple[Tensor, ...], end: tuple[Tensor, ...], share: float) -> None:
    """Give the network the weights share x start + (1 - share) x end (Eq. 3)."""
    for weight, one, other in zip(network.parameters(), start, end, strict=True):
        weight.copy_(share * one + (1 - share) * other)


def ends(meeting: Meeting, config: Config) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The weights of a random expert at its first and at its last age."""
    return meeting.expert(0), meeting.expert(config["distill"]["cache_ages"] - 1)


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes."""
    options, own, network = config["distill"], config["dance"], meeting.network
    start, end = ends(meeting, config)
    images = state.images.clamp(0, 1)
    pairs, among = training_set(images, meeting, config, own)
    load(network, start, end, meeting.share)
    target = [real_embeddings(network, meeting).mean(1)]
    within = alignment(network, images, pairs, among, target, (1.0, 0.0), mean_distance, meeting)
    load(network, start, end, 0.0)
    between = alignment(network, images, pairs, among, target, (0.0, own["calibration"]), mean_distance, meeting)
    rate = learning_rate(options, meeting.outer) * config["ipc"] / 10
    gradient = within.gradient + between.gradient
    images, velocity = momentum_step(images, state.velocity, gradient, rate, options["image_momentum"])
    return State(images, velocity), {
        "loss": within.distance,
        "cross_entropy": between.cross_entropy,
        "grad_norm": gradient.norm(),
    }
