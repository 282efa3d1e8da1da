"""UDD, Algorithm 1: distil a data set into a few synthetic images a class; and IDC, which is the same with another decode and start.

Lines 2, 9 and 10, random networks that train on real data (Eq. 6), are udd.proxies.fresh; the loop is udd.runs.loop.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods import policies
from udd.objectives.losses import moving_average
from udd.objectives.matching import Matched, Work, matching_step, mean_features
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.regions import Windows, candidate_windows, training_pairs
from udd.synthetic.sets import SyntheticSet

Config = dict[str, Any]


class State(NamedTuple):
    """Pixels [C, B, K, H, W] and their momentum; F [C, D], the moving average features of the current network (Eq. 8)."""

    images: Tensor
    velocity: Tensor
    averages: Tensor


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """Line 1: random real images, or grids of down-sized ones (Sec. 2.1)."""
    images = initial.start(config, data, generator)
    return State(images, torch.zeros_like(images), images.new_zeros(len(images), 0))


def training_set(state: State, meeting: Meeting, config: Config) -> Work:
    """S_c^train of every class (line 6): search, and pair images with their underutilised windows. F starts anew with a network."""
    options = config["distill"]
    among = candidate_windows(options, state.images.shape[-1], state.images)
    ranks = policies.search(meeting.network, state.images, among.boxes, meeting.mean, meeting.std, options, meeting.generator)  # [C, B, N]
    pairs = training_pairs(policies.lowest(ranks, options), among, options["max_pairs"], meeting.generator)
    averages = state.averages
    if meeting.anew:
        averages = first_averages(meeting, state.images, pairs, among, options)
    return Work(state.images, pairs, among, averages, options)


def first_averages(meeting: Meeting, images: Tensor, pairs: Tensor, among: Windows, options: Config) -> Tensor:
    """What F starts from with a new network: the current features (Eq. 8); where no loss reads them, zeros. [C, D]."""
    if not options["cfc"]:
        return images.new_zeros(len(images), meeting.network.classifier.in_features)
    return mean_features(meeting.network, images, pairs, among, meeting.mean, meeting.std)


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """Lines 4 to 8: one descent step on the images of all classes (Eq. 10), and F one step on (Eq. 8)."""
    options, work = config["distill"], training_set(state, meeting, config)
    given = (meeting.real, meeting.draws, meeting.mean, meeting.std, meeting.logged, meeting.execution)
    (got,) = matching_step(meeting.network, [work], *given, meeting.target)  # lines 5, 7
    velocity = options["image_momentum"] * state.velocity + got.gradient
    images = state.images - learning_rate(options, config["ipc"], meeting.outer) * velocity
    averages = moving_average(work.averages, got.features, options["cfc_average"])
    return State(images, velocity, averages), scalars(got, options) if meeting.logged else losses(got, options)


def losses(got: Matched, options: Config) -> Scalars:
    """The total loss and its parts. [C] each."""
    total = got.loss_gradient + options["cfc_weight"] * got.loss_cfc
    return {"loss": total, "loss_gradient": got.loss_gradient, "loss_cfc": got.loss_cfc}


def scalars(got: Matched, options: Config) -> Scalars:
    """The losses [C], and the norms over all pixels of each one's gradient []."""
    cfc = torch.zeros_like(got.gradient) if got.gradient_cfc is None else got.gradient_cfc
    return losses(got, options) | {"grad_norm_gradient": (got.gradient - cfc).norm(), "grad_norm_cfc": cfc.norm()}


def learning_rate(options: Config, ipc: int, outer: int) -> float:
    """The pixels' rate: image_lr x IPC/10 (IDC's rule), decayed after the given fractions of the outer iterations (Sec. 3)."""
    passed = sum(outer >= round(at * options["outer"]) for at in options["image_lr_decay_at"])
    return options["image_lr"] * ipc / 10 * options["image_lr_decay"] ** passed


def end_network(state: State, _meeting: Meeting, _config: Config) -> State:
    """Pixels are clamped to [0, 1] at every outer iteration."""
    return state._replace(images=state.images.clamp(0, 1))


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: S, labels, candidate windows, metadata."""
    among: Windows = candidate_windows(config["distill"], state.images.shape[-1], state.images)
    return initial.as_set(state.images, among.boxes, among.whole, data, config, provenance)
