"""KIP, kernel inducing points (Nguyen, Chen & Lee 2021; Nguyen, Novak, Xiao & Lee 2021): real images are to be
classified by ridge regression on the set, with the neural tangent kernel of an infinitely wide network.

First order, and no network is used: what `distill` says of networks, augmentation and momentum is not read. Pixels
follow Adam, at a rate for normalised ones; all of a step is computed in float64, as the authors' notebook does. Images
are normalised by channel, where the second paper's best figures are of ZCA. The evaluation is the usual one, networks
trained on the set ("KIP to NN"); the papers' `accuracy` by the kernel, here on the step's real batch, is a column of
the curve. `kernel: convolutional` has the second paper's layers and takes as long as udd.objectives.kernels says;
`udd estimate` counts products alone, which such a kernel hardly has.

With `learn_labels` labels are the softmax of what is learned, so the set's soft labels are those of the regression, but
for the 1 / C that it takes away; the papers' are any numbers, which a network cannot be trained on as probabilities.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.data import Dataset
from udd.methods import OWN
from udd.methods.updates import adam_step, learning_rate
from udd.networks.augment import as_float, normalise
from udd.objectives.kernels import Kernel, convolutional, dense, predicted
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.sets import SyntheticSet

Config = dict[str, Any]
MEETS = OWN
SURE = 0.9  # the probability of an image's class where labels are learned, at first


class State(NamedTuple):
    """Pixels [C, B, K, H, W]; what learned labels are the softmax of [C, B, C]; the running means of the gradients of
    both and of their squares."""

    images: Tensor
    logits: Tensor
    moments: tuple[Tensor, Tensor, Tensor, Tensor]


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """The start that the configuration names; labels sure of their class."""
    images, classes = initial.start(config, data, generator), len(data.classes)
    sure = math.log(SURE / (1 - SURE) * max(1, classes - 1))
    logits = sure * torch.eye(classes, device=images.device).unsqueeze(1).repeat(1, config["ipc"], 1)
    return State(images, logits, tuple(torch.zeros_like(each) for each in (images, images, logits, logits)))  # type: ignore[arg-type]


def kernel(config: Config) -> Kernel:
    """The kernel that the configuration names."""
    own = config["kip"]
    if own["kernel"] == "dense":
        return partial(dense, depth=own["depth"])
    return partial(convolutional, depth=own["depth"], pairs=own["pairs"])


def classes_of(images: Tensor) -> Tensor:
    """Centred one-hot labels of images [C, n, ...], in float64: 1 - 1 / C for its class, else - 1 / C. [C * n, C]."""
    classes = len(images)
    return (
        torch.eye(classes, dtype=torch.float64, device=images.device).repeat_interleave(images.shape[1], 0)
        - 1 / classes
    )


def residual(pixels: Tensor, labels: Tensor, meeting: Meeting, config: Config) -> Tensor:
    """What the regression on images [C, B, K, H, W] with labels [C * B, C] leaves of the real
    batch's labels: [C, R, C]."""
    ours, real = (
        normalise(as_float(each, torch.float64).flatten(0, 1), meeting.mean, meeting.std)
        for each in (pixels, meeting.real)
    )
    between, own = kernel(config)(real, ours), kernel(config)(ours, ours)
    found = classes_of(meeting.real) - predicted(between, own, labels, config["kip"]["ridge"])
    return found.unflatten(0, meeting.real.shape[:2])


def right(left: Tensor) -> Tensor:
    """The share of real images that the regression puts into their class, given what it leaves of
    their labels [C, R, C]. []."""
    labels = torch.arange(len(left), device=left.device).unsqueeze(1)
    answers = F.one_hot(labels, len(left)) - left  # but for the 1 / C of all
    return (answers.argmax(2) == labels).double().mean()


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One step of Adam on 1/2 |y_t - K_ts (K_ss + lambda I)^-1 y_s|^2 (Eq. 2 of the second paper); the loss of each
    class's real images [C]."""
    options, learned = config["distill"], config["kip"]["learn_labels"]
    pixels, logits = (each.detach().double().requires_grad_() for each in (state.images, state.logits))
    labels = logits.flatten(0, 1).softmax(1) - 1 / len(logits) if learned else classes_of(pixels)
    left = residual(pixels, labels, meeting, config)
    loss = left.square().sum((1, 2)) / 2
    found = [
        each.to(state.images) for each in torch.autograd.grad(loss.sum(), [pixels, logits] if learned else [pixels])
    ]
    count = meeting.outer * options["inner"] + meeting.inner + 1
    made = followed(state, found, learning_rate(options, meeting.outer), meeting.std.view(-1, 1, 1), count)
    scalars = {"loss": loss.detach(), "accuracy": right(left.detach()), "grad_norm": found[0].norm()}
    return made, {name: value.to(state.images) for name, value in scalars.items()}


def followed(state: State, found: list[Tensor], rate: float, std: Tensor, count: int) -> State:
    """Images one step of Adam on, and labels where they have a gradient; normalised pixels move by the
    rate, so pixels by std as much."""
    images, (a, b) = adam_step(state.images, state.moments[:2], found[0], rate * std, count)
    logits, (c, d) = (
        adam_step(state.logits, state.moments[2:], found[1], rate, count)
        if found[1:]
        else (state.logits, state.moments[2:])
    )
    return State(images, logits, (a, b, c, d))


def end_network(state: State, _meeting: Meeting, _config: Config) -> State:
    """Pixels are clamped when they are stored."""
    return state


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: its images, without windows, and their labels where they were learned."""
    made = initial.as_set(state.images, torch.zeros(0, 4, dtype=torch.int64), True, data, config, provenance)
    return made._replace(labels=state.logits.flatten(0, 1).softmax(1).cpu()) if config["kip"]["learn_labels"] else made
