"""Descent on the pixels by matched gradients: what UDD and IDC have in common (Algorithm 1, lines 4 to 8)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from udd.methods.updates import clamped as end_network
from udd.methods.updates import learning_rate, momentum_step
from udd.objectives.losses import moving_average
from udd.objectives.matching import Matched, Work, matching_step, mean_features
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic.regions import Windows

__all__ = ["State", "descend", "end_network", "started"]
Config = dict[str, Any]


class State(NamedTuple):
    """Pixels [C, B, K, H, W] and their momentum; F [C, D], the moving average features of the current network (Eq.
    8)."""

    images: Tensor
    velocity: Tensor
    averages: Tensor


def started(images: Tensor) -> State:
    """The state of a run that begins with such images."""
    return State(images, torch.zeros_like(images), images.new_zeros(len(images), 0))


def descend(
    state: State, pairs: Tensor, among: Windows, own: Config, meeting: Meeting, config: Config
) -> tuple[State, Scalars]:
    """One step on the images of all classes (Eq. 10), trained on as (image, window) pairs
    [C, Q, 2], and F one step on (Eq. 8).

    own: the section that says what is matched. F starts anew with a network.
    """
    options, averages = config["distill"], state.averages
    if meeting.anew:
        averages = first_averages(state.images, pairs, among, own, meeting)
    work = Work(state.images, pairs, among, averages, own)
    given = (meeting.real, meeting.draws, meeting.mean, meeting.std, meeting.logged, meeting.execution)
    got = meeting.execution.play(matching_step, meeting.network, work, *given, meeting.target)  # lines 5, 7
    rate = learning_rate(options, meeting.outer) * config["ipc"] / 10  # IDC's rule
    images, velocity = momentum_step(state.images, state.velocity, got.gradient, rate, options["image_momentum"])
    averages = moving_average(averages, got.features, own["cfc_average"])
    return State(images, velocity, averages), scalars(got, own) if meeting.logged else losses(got, own)


def first_averages(images: Tensor, pairs: Tensor, among: Windows, own: Config, meeting: Meeting) -> Tensor:
    """What F starts from with a new network: the current features (Eq. 8); where no loss reads them, zeros. [C, D]."""
    if not own["cfc"]:
        return images.new_zeros(len(images), meeting.network.classifier.in_features)
    return meeting.execution.play(mean_features, meeting.network, images, pairs, among, meeting.mean, meeting.std)


def losses(got: Matched, own: Config) -> Scalars:
    """The total loss and its parts. [C] each."""
    total = got.loss_gradient + own["cfc_weight"] * got.loss_cfc
    return {"loss": total, "loss_gradient": got.loss_gradient, "loss_cfc": got.loss_cfc}


def scalars(got: Matched, own: Config) -> Scalars:
    """The losses [C], and the norms over all pixels of each one's gradient []."""
    cfc = torch.zeros_like(got.gradient) if got.gradient_cfc is None else got.gradient_cfc
    return losses(got, own) | {"grad_norm_gradient": (got.gradient - cfc).norm(), "grad_norm_cfc": cfc.norm()}
