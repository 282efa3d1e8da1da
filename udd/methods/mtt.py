"""MTT, matching training trajectories (Cazenavette et al. 2022): a network trained on the set for a few
steps is to arrive where an expert, trained on real images, arrives after some epochs; the rate of these
steps is learned with the images.

Experts are cached networks: an age is an epoch of theirs (`net_images`, `cache_spacing`). What differs from the
authors' code: they normalise with ZCA for some of their figures (CIFAR-10's at IPC 1 and 10, CIFAR-100's at 1 and 50),
here pixels are as for every method (`image_lr` is for normalised ones, as published); of DSA's operations, with which
experts train, too, they draw one a batch, here one an image; they store pixels beyond [0, 1] and evaluate with the
learned rate, here pixels are clamped when they are stored, and the rate is stored beside them (`evaluate.rate: own`); a
learned rate stays above 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods import EXPERTS
from udd.methods.updates import learning_rate, momentum_step
from udd.networks.augment import apply, draw, normalise
from udd.objectives.unrolled import Batch, Weights, descended, pulled, pulled_back, unrolled
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.sets import SyntheticSet

Config = dict[str, Any]
MEETS = EXPERTS
SLOWEST = 1e-6  # a rate below 0 would lead the student uphill


class State(NamedTuple):
    """Pixels [C, B, K, H, W] and their momentum; the rate [] of the unrolled steps and its momentum."""

    images: Tensor
    velocity: Tensor
    rate: Tensor
    rate_velocity: Tensor


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """Random real images, as published, or the start that the configuration names."""
    images = initial.start(config, data, generator)
    rate = images.new_tensor(config["mtt"]["rate"])
    return State(images, torch.zeros_like(images), rate, torch.zeros_like(rate))


def shuffled(count: int, size: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """The images of each step: the set in random order, again and again, in batches of at most `size` (0: all)."""
    found: list[Tensor] = []
    while len(found) < steps:
        found += torch.randperm(count, generator=generator, device=generator.device).split(size or count)
    return found[:steps]


def segment(meeting: Meeting, config: Config) -> tuple[Weights, Weights]:
    """The weights of a random expert at a random age, and `expert_ages` later (Algorithm 1, lines 3 to 5)."""
    own, names = config["mtt"], [name for name, _ in meeting.network.named_parameters()]
    start = int(meeting.share * min(own["last_start"], config["distill"]["cache_ages"] - own["expert_ages"]))
    first, last = (meeting.expert(age) for age in (start, start + own["expert_ages"]))
    return dict(zip(names, first, strict=True)), dict(zip(names, last, strict=True))


def distance(end: Weights, target: Weights, start: Weights) -> tuple[Tensor, Weights]:
    """How far the student is from the expert's end, as a share of the expert's own way (Eq. 2), squared;
    and its derivatives by `end`."""
    whole = torch.stack([(start[name] - target[name]).square().sum() for name in target]).sum()
    apart = {name: end[name] - target[name] for name in target}
    loss = torch.stack([each.square().sum() for each in apart.values()]).sum() / whole
    return loss, {name: 2 * each / whole for name, each in apart.items()}


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on images and rate (Algorithm 1, lines 6 to 15)."""
    options, own = config["distill"], config["mtt"]
    loss, gradient, of_rate = student(state, meeting, config)
    pixel_rate = initial.normalised_rate(learning_rate(options, meeting.outer), meeting.std)
    images, velocity = momentum_step(state.images, state.velocity, gradient, pixel_rate, options["image_momentum"])
    rate, rate_velocity = momentum_step(
        state.rate, state.rate_velocity, of_rate, own["rate_lr"], options["image_momentum"]
    )
    return State(images, velocity, rate.clamp(min=SLOWEST), rate_velocity), {
        "loss": loss,
        "rate": state.rate,
        "grad_norm": gradient.norm(),
    }


def student(state: State, meeting: Meeting, config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """How far a student on the set is from its expert's end []; the derivatives of that by pixels
    [C, B, K, H, W] and rate []."""
    own, ops, images = config["mtt"], config["distill"]["matching_augment"], state.images
    flat, labels = (
        images.flatten(0, 1),
        torch.arange(len(images), device=images.device).repeat_interleave(images.shape[1]),
    )
    chosen = shuffled(len(flat), own["batch"], own["steps"], meeting.generator)
    draws = [draw(ops, len(index), images.shape[-1], meeting.generator, images.dtype) for index in chosen]

    def seen(pixels: Tensor, number: int) -> Tensor:
        return apply(normalise(pixels, meeting.mean, meeting.std), draws[number])

    def batch(number: int) -> Batch:
        return Batch(seen(flat[chosen[number]], number), labels[chosen[number]], state.rate)

    (start, target), run = segment(meeting, config), meeting.execution.execute
    along = unrolled(meeting.network, start, own["steps"], batch, run(descended))
    loss, slopes = distance(along[-1], target, start)
    gradient, total = torch.zeros_like(flat), torch.zeros_like(state.rate)
    for number, of_inputs, of_rate in pulled_back(meeting.network, along, batch, slopes, run(pulled)):
        pixels = flat[chosen[number]].detach().requires_grad_()
        gradient.index_add_(0, chosen[number], torch.autograd.grad(seen(pixels, number), pixels, of_inputs)[0])
        total += of_rate
    return loss, gradient.unflatten(0, images.shape[:2]), total


def end_network(state: State, _meeting: Meeting, _config: Config) -> State:
    """Pixels are clamped when they are stored."""
    return state


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: its images, without windows, and the rate that was learned with them."""
    made = initial.as_set(state.images, torch.zeros(0, 4, dtype=torch.int64), True, data, config, provenance)
    return made._replace(metadata=made.metadata | {"rate": float(state.rate)})
