"""NCFM, neural characteristic function matching (Wang et al. 2025): first order, the whole distribution of
embeddings instead of its mean.

What is brought together are the empirical characteristic functions of the embeddings of a class's synthetic and real
images, at random frequencies (Sec. 3.2), by networks and with a calibration as DANCE's. The frequencies are standard
normal and new at every step, as where the authors' sampling network is off (their CIFAR-10 settings). Pixels follow
Adam, once a step for all classes and without weight decay. The authors' code takes a step of Adam a class and pass over
the whole set, so that at ten classes a pixel moves about 4.5 times as far a step as their rate of 0.001 would say:
`image_lr` of the variant is 0.0045. They halve it when the loss stays; here it decays with the schedule. Their networks
train in batches of 128, here in those of DANCE's, 64, whose cache they share; for CIFAR-100 at IPC 10 they move pixels
by SGD, here always by Adam.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from udd.methods import EXPERTS
from udd.methods.alignment import alignment, real_embeddings
from udd.methods.dance import ends, load
from udd.methods.idc import finish, training_set
from udd.methods.updates import Adam as State
from udd.methods.updates import adam_step, learning_rate
from udd.methods.updates import clamped as end_network
from udd.methods.updates import with_adam as begin
from udd.objectives.features import characteristic, characteristic_distance, mean_distance
from udd.proxies.meeting import Meeting, Scalars

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = EXPERTS


def real_functions(meeting: Meeting, frequencies: Tensor) -> list[Tensor]:
    """The characteristic functions of every class's real embeddings [C, T], real and imaginary part, and
    the frequencies [C, T, D]."""
    embeddings = F.normalize(real_embeddings(meeting.network, meeting), dim=2)
    # Phases take memory
    real, imaginary = zip(*(characteristic(of_class.unsqueeze(0), frequencies) for of_class in embeddings), strict=True)
    return [torch.cat(real), torch.cat(imaginary), frequencies.expand(len(embeddings), -1, -1)]


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes."""
    options, own, network = config["distill"], config["ncfm"], meeting.network
    start, end = ends(meeting, config)
    images = state.images.clamp(0, 1)
    pairs, among = training_set(images, meeting, config, own)
    shape = (own["frequencies"], network.classifier.in_features)
    frequencies = torch.randn(shape, generator=meeting.networks, device=images.device)
    load(network, start, end, meeting.share)
    target = real_functions(meeting, frequencies)
    within = alignment(network, images, pairs, among, target, (1.0, 0.0), characteristic_distance, meeting)
    load(network, start, end, 0.0)
    no_target = [images.new_zeros(len(images), shape[1])]
    trained = alignment(network, images, pairs, among, no_target, (0.0, own["calibration"]), mean_distance, meeting)
    gradient, count = within.gradient + trained.gradient, meeting.outer * options["inner"] + meeting.inner + 1
    images, moments = adam_step(images, state.moments, gradient, learning_rate(options, meeting.outer), count)
    return State(images, moments), {
        "loss": within.distance,
        "cross_entropy": trained.cross_entropy,
        "grad_norm": gradient.norm(),
    }
