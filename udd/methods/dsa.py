"""DSA, differentiable siamese augmentation (Zhao & Bilen 2021); without augmentation it is DC (Zhao et al. 2021).

Gradients of the network on real and on synthetic images are matched layer by layer, by the cosine of every output
channel's. The network is trained on the synthetic set itself, so it belongs to the method's state. One of DSA's six
operations a draw (`color|crop|cutout|flip|scale|rotate`), as in the authors' code; while the network trains an image's
own, where theirs draw one a batch. `image_lr` is for normalised pixels, as published; these are clamped to [0, 1] after
the last step on a network, where the authors' code lets them leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.data import Dataset
from udd.methods import OWN
from udd.methods.updates import clamped as end_network
from udd.methods.updates import learning_rate, momentum_step
from udd.networks.architectures import Network, initialise
from udd.networks.augment import Draws, apply, as_float, augment, normalise, pick
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.sets import SyntheticSet

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = OWN


class State(NamedTuple):
    """Pixels [C, B, K, H, W] and their momentum; the weights of its network (empty before its first step)."""

    images: Tensor
    velocity: Tensor
    weights: tuple[Tensor, ...]


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """The start that the configuration names; published are random real images for DSA, noise for DC."""
    images = initial.start(config, data, generator)
    return State(images, torch.zeros_like(images), ())


def cosine_distance(one: Tensor, other: Tensor) -> Tensor:
    """1 - cosine of the gradients of every output channel, summed over channels (DC, Sec. 3.3). [out, ...] twice -> [].

    A bias or the scale of a norm has one number a channel and is left out, as in the authors' code.
    """
    if one.dim() == 1:
        return one.new_zeros(())
    a, b = one.flatten(1), other.flatten(1)
    return (1 - (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-6)).sum()


def network_gradient(
    network: Network, images: Tensor, label: int, draws: Draws, mean: Tensor, std: Tensor, graph: bool
) -> tuple[Tensor, ...]:
    """The cross-entropy's gradient on every weight, of augmented images [B, K, H, W] of one class."""
    logits = network(apply(normalise(as_float(images, mean.dtype), mean, std), draws))
    loss = F.cross_entropy(logits, torch.full((len(images),), label, device=images.device))
    return torch.autograd.grad(loss, list(network.parameters()), create_graph=graph)


def distance(
    network: Network, synthetic: Tensor, real: Tensor, label: int, draws: Draws, mean: Tensor, std: Tensor
) -> Tensor:
    """The distance of a class's gradients, summed over layers. []."""
    target = network_gradient(network, real, label, draws, mean, std, graph=False)
    found = network_gradient(network, synthetic, label, draws, mean, std, graph=True)
    return torch.stack([cosine_distance(*pair) for pair in zip(target, found, strict=True)]).sum()


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes, then the network trains on them."""
    options, network = config["distill"], meeting.network
    if meeting.inner == 0:
        initialise(network, meeting.networks)
    else:
        load(network, state.weights)
    pixels = state.images.detach().requires_grad_()
    given = (meeting.mean, meeting.std)
    found = [
        distance(network, pixels[c], meeting.real[c], c, pick(meeting.draws, c), *given) for c in range(len(pixels))
    ]
    loss = torch.stack(found)  # [C]
    (gradient,) = torch.autograd.grad(loss.sum(), pixels)
    rate = initial.normalised_rate(learning_rate(options, meeting.outer), meeting.std)
    images, velocity = momentum_step(state.images, state.velocity, gradient, rate, options["image_momentum"])
    train(network, images, meeting, config)
    weights = tuple(weight.detach().clone() for weight in network.parameters())
    return State(images, velocity, weights), {"loss": loss.detach(), "grad_norm": gradient.norm()}


@torch.no_grad()
def load(network: Network, weights: Sequence[Tensor]) -> None:
    """Give the network its weights."""
    for weight, value in zip(network.parameters(), weights, strict=True):
        weight.copy_(value)


def train(network: Network, images: Tensor, meeting: Meeting, config: Config) -> None:
    """The network's epochs on the synthetic set, by plain gradient descent with the same kind of
    augmentation, a draw an image."""
    options, own = config["distill"], config["dsa"]
    flat = images.detach().flatten(0, 1)
    labels = torch.arange(len(images), device=flat.device).repeat_interleave(images.shape[1])
    for _ in range(own["net_epochs"]):
        order = torch.randperm(len(flat), generator=meeting.networks, device=flat.device)
        for index in order.tensor_split(-(-len(flat) // own["net_batch"])):
            inputs = augment(
                normalise(flat[index], meeting.mean, meeting.std), options["matching_augment"], meeting.networks
            )
            gradients = torch.autograd.grad(F.cross_entropy(network(inputs), labels[index]), list(network.parameters()))
            with torch.no_grad():
                for weight, found in zip(network.parameters(), gradients, strict=True):
                    weight.sub_(found, alpha=options["net_lr"])


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: its images, without windows."""
    return initial.as_set(state.images, torch.zeros(0, 4, dtype=torch.int64), True, data, config, provenance)
