"""DM, distribution matching (Zhao & Bilen 2023): the mean features of synthetic and real images of
a class are brought together.

First order: no gradient of a gradient. Published: a new random network every step, untrained
(`inner: 1, net_images: 0`), and one of DSA's six operations a draw; `image_lr` is for normalised pixels. Pixels are
clamped to [0, 1] after every step (on each network one), where the authors' code lets them leave it. At IPC 1 its
images become a pattern of dots, as those of the authors' code do.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods import PROXIES
from udd.methods.updates import Momentum as State
from udd.methods.updates import clamped as end_network
from udd.methods.updates import learning_rate, momentum_step
from udd.methods.updates import with_momentum as begin
from udd.networks.architectures import Network
from udd.networks.augment import Draws, apply, as_float, normalise, pick
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.sets import SyntheticSet

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = PROXIES


def mean_feature(network: Network, images: Tensor, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    """The mean embedding of augmented images [B, K, H, W], bytes or floats in [0, 1]: [E]."""
    return network.features(apply(normalise(as_float(images, mean.dtype), mean, std), draws))[1].mean(0)


@torch.no_grad()
def real_features(meeting: Meeting) -> Tensor:
    """The mean features of every class's real images: those of the cache, or of the batch. [C, E]."""
    if meeting.target:
        return meeting.target.features
    given = (meeting.mean, meeting.std)
    return torch.stack(
        [mean_feature(meeting.network, real, pick(meeting.draws, c), *given) for c, real in enumerate(meeting.real)]
    )


def distance(network: Network, synthetic: Tensor, target: Tensor, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    """The squared distance of the mean features of a class's synthetic and real images under one draw (Eq. 5 of the
    paper). target [E] -> []."""
    return (mean_feature(network, synthetic, draws, mean, std) - target).square().sum()


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes."""
    options, pixels = config["distill"], state.images.detach().requires_grad_()
    given, target = (meeting.mean, meeting.std), real_features(meeting)
    found = [
        distance(meeting.network, pixels[c], target[c], pick(meeting.draws, c), *given) for c in range(len(pixels))
    ]
    loss = torch.stack(found)  # [C]
    (gradient,) = torch.autograd.grad(loss.sum(), pixels)
    rate = initial.normalised_rate(learning_rate(options, meeting.outer), meeting.std)
    images, velocity = momentum_step(state.images, state.velocity, gradient, rate, options["image_momentum"])
    return State(images, velocity), {"loss": loss.detach(), "grad_norm": gradient.norm()}


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: its images, without windows."""
    return initial.as_set(state.images, torch.zeros(0, 4, dtype=torch.int64), True, data, config, provenance)
