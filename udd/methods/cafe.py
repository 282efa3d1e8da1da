"""CAFE, condensing by aligning features (Wang et al. 2022): at every layer the mean features of synthetic and real
images of a class are brought together, and the synthetic means are to classify the real images.

First order. How long a network lives, and how long it trains between two steps on the images, is decided by its
accuracy on real images (the paper's dynamic bi-level optimisation). Decisions are tensors, taken by torch.where, so a
step is the same work whatever they are, and nothing waits for a device: epochs after the last one that counts are made,
and leave no trace. `outer` x `inner` counts steps on the images, `inner` the most on one network. The authors look at
new real images each time, here at random ones of the step's batch. `image_lr` is for normalised pixels, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.data import Dataset
from udd.methods import OWN
from udd.methods.alignment import augmented, groups
from udd.methods.updates import learning_rate, momentum_step
from udd.networks.architectures import Network, images_at_once, initialise
from udd.networks.augment import as_float, augment, normalise
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.sets import SyntheticSet

Config = dict[str, Any]
MEETS = OWN
LOOKS = 10  # accuracies that a decision looks back on
UNSEEN = -1.0  # in place of an accuracy: not looked yet


class State(NamedTuple):
    """Pixels [C, B, K, H, W] and their momentum; its network's weights (empty before the first step), accuracies after
    the last steps on the images [LOOKS], the latest last, and how many such steps it has seen []."""

    images: Tensor
    velocity: Tensor
    weights: tuple[Tensor, ...]
    looks: Tensor
    steps: Tensor


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """The start that the configuration names; the authors' code starts from noise by default, or
    from random real images."""
    images = initial.start(config, data, generator)
    return State(
        images, torch.zeros_like(images), (), unseen(images), torch.zeros((), dtype=torch.int64, device=images.device)
    )


# --- the losses ---


def layers(network: Network, inputs: Tensor) -> list[Tensor]:
    """What every block gives, and the embedding. [n, K, H, W] -> [n, D] each."""
    found = []
    for block in network.blocks:
        inputs = block(inputs)
        found.append(inputs.flatten(1))
    return [*found, network.pool(inputs).flatten(1)]


def seen(network: Network, images: Tensor, meeting: Meeting) -> tuple[list[Tensor], Tensor]:
    """Every layer's mean features of the images of each class [C, D], and their embeddings
    [C, Q, E]. images [C, Q, K, H, W]."""
    means, embeddings = [], []
    for part in groups(images.shape[0], images.shape[1], images.shape[-1]):
        inputs = augmented(images[part.start : part.stop], meeting, part)
        found = [each.unflatten(0, inputs.shape[:2]) for each in layers(network, inputs.flatten(0, 1))]
        means.append([each.mean(1) for each in found])
        embeddings.append(found[-1])
    return [torch.cat(of_layer) for of_layer in zip(*means, strict=True)], torch.cat(embeddings)


def alignment(ours: Sequence[Tensor], real: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The squared distance of mean features, summed over layers with their weights (L_f). [C, D] each -> [C].

    weights: of the embedding, the last block, the one before; whatever lies further in front takes the last of them.
    """
    pairs = zip(reversed(ours), reversed(real), strict=True)
    return torch.stack(
        [weights[min(i, len(weights) - 1)] * (a - b).square().sum(1) for i, (a, b) in enumerate(pairs)]
    ).sum(0)


def discrimination(embeddings: Tensor, centres: Tensor) -> Tensor:
    """The cross-entropy of real embeddings, classified by inner products with the synthetic centres (L_d),
    summed over a class's images.

    [C, R, E], [C, E] -> [C]. The authors' code adds the distance of the embeddings' means once
    more, which the paper does not.
    """
    labels = torch.arange(len(centres), device=centres.device).repeat_interleave(embeddings.shape[1])
    found = F.cross_entropy((embeddings @ centres.T).flatten(0, 1), labels, reduction="none")
    return found.unflatten(0, embeddings.shape[:2]).sum(1)


# --- the watcher ---


def unseen(like: Tensor) -> Tensor:
    """No look at all. [LOOKS]."""
    return like.new_full((LOOKS,), UNSEEN)


def looked(looks: Tensor, accuracy: Tensor) -> Tensor:
    """The last looks, with one more. [LOOKS], [] -> [LOOKS]."""
    return torch.cat([looks[1:], accuracy.view(1)])


def settled(looks: Tensor, least: float) -> Tensor:
    """Whether there were LOOKS looks, and they differ by less than `least`: the network's time is over. []."""
    return (looks.min() > UNSEEN) & (looks.max() - looks.min() < least)


def moved(looks: Tensor, most: float) -> Tensor:
    """Whether there were LOOKS looks, and they differ by more than `most`: the network is trained
    enough for the next step. []."""
    return (looks.min() > UNSEEN) & (looks.max() - looks.min() > most)


@torch.no_grad()
def accuracy(network: Network, meeting: Meeting, count: int) -> Tensor:
    """The network's accuracy on `count` random images of each class's real batch, without augmentation. []."""
    real, device = meeting.real, meeting.real.device
    which = torch.randint(real.shape[1], (len(real), count), generator=meeting.networks, device=device)
    labels = torch.arange(len(real), device=device)
    images = real[labels.unsqueeze(1), which].flatten(0, 1)
    inputs = [
        normalise(as_float(part, meeting.mean.dtype), meeting.mean, meeting.std)
        for part in images.split(images_at_once(images.shape[-1]))
    ]
    answers = torch.cat([network(part).argmax(1) for part in inputs])
    return (answers == labels.repeat_interleave(count)).to(meeting.mean.dtype).mean()


# --- the network ---


def weights_of(network: Network) -> tuple[Tensor, ...]:
    """A copy of the network's weights."""
    return tuple(weight.detach().clone() for weight in network.parameters())


@torch.no_grad()
def unless(network: Network, kept: Tensor, before: Sequence[Tensor]) -> None:
    """Give the network the weights that it had before, unless these are kept. kept: bool []."""
    for weight, old in zip(network.parameters(), before, strict=True):
        weight.copy_(torch.where(kept, weight, old))


def renewed(state: State, meeting: Meeting, config: Config) -> State:
    """Give the network the state's weights, or new random ones where its time is over; the state that goes with
    them."""
    initialise(meeting.network, meeting.networks)
    if not state.weights:
        return state
    over = settled(state.looks, config["cafe"]["settled"]) | (state.steps >= config["distill"]["inner"])
    unless(meeting.network, over, state.weights)
    return state._replace(
        looks=torch.where(over, unseen(state.looks), state.looks), steps=torch.where(over, 0, state.steps)
    )


def epoch(network: Network, images: Tensor, meeting: Meeting, config: Config) -> None:
    """One epoch on the synthetic set, by plain gradient descent with the matching's kind of
    augmentation, a draw an image."""
    options, flat = config["distill"], images.detach().flatten(0, 1)
    labels = torch.arange(len(images), device=flat.device).repeat_interleave(images.shape[1])
    order = torch.randperm(len(flat), generator=meeting.networks, device=flat.device)
    for index in order.tensor_split(-(-len(flat) // config["cafe"]["net_batch"])):
        inputs = augment(
            normalise(flat[index], meeting.mean, meeting.std), options["matching_augment"], meeting.networks
        )
        gradients = torch.autograd.grad(F.cross_entropy(network(inputs), labels[index]), list(network.parameters()))
        with torch.no_grad():
            for weight, found in zip(network.parameters(), gradients, strict=True):
                weight.sub_(found, alpha=options["net_lr"])


def train(network: Network, images: Tensor, meeting: Meeting, config: Config) -> Tensor:
    """Epochs on the synthetic set until the accuracy has moved, at most `net_epochs`; how many counted [].
    Those after leave no trace."""
    own, looks, going = config["cafe"], unseen(images), torch.ones((), dtype=torch.bool, device=images.device)
    counted = torch.zeros_like(going, dtype=torch.int64)
    for _ in range(own["net_epochs"]):
        before = weights_of(network)
        epoch(network, images, meeting, config)
        unless(network, going, before)
        counted = counted + going
        looks = looked(looks, accuracy(network, meeting, own["watched"]))
        going = going & ~moved(looks, own["moved"])
    return counted


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes, a look, then the network trains on them."""
    options, own, network = config["distill"], config["cafe"], meeting.network
    state = renewed(state, meeting, config)
    pixels = state.images.detach().requires_grad_()
    with torch.no_grad():
        real, embeddings = seen(network, meeting.real, meeting)
    ours, _ = seen(network, pixels, meeting)
    aligned, told = alignment(ours, real, own["weights"]), discrimination(embeddings, ours[-1])
    (gradient,) = torch.autograd.grad((aligned + own["discrimination"] * told).sum(), pixels)
    rate = initial.normalised_rate(learning_rate(options, meeting.outer), meeting.std)
    images, velocity = momentum_step(state.images, state.velocity, gradient, rate, options["image_momentum"])
    looks = looked(state.looks, accuracy(network, meeting, own["watched"]))
    epochs = train(network, images, meeting, config)
    made = State(images, velocity, weights_of(network), looks, state.steps + 1)
    scalars = {
        "loss": aligned.detach(),
        "discrimination": told.detach(),
        "accuracy": looks[-1],
        "epochs": epochs,
        "grad_norm": gradient.norm(),
    }
    return made, scalars


def end_network(state: State, _meeting: Meeting, _config: Config) -> State:
    """Networks end by the watcher alone; pixels are clamped when they are stored (the authors' never are)."""
    return state


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: its images, without windows."""
    return initial.as_set(state.images, torch.zeros(0, 4, dtype=torch.int64), True, data, config, provenance)
