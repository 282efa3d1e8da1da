"""DD, dataset distillation (Wang et al. 2018): a random network trained on the set for a few steps is to classify real
images well; each step's rate is learned with the images.

One image a class trains in a step, each in its turn, `epochs` times over (Algorithm 1 with several steps and epochs,
Sec. 3.4). Pixels and rates follow Adam, as in the authors' code, from noise; theirs stay unbounded, here pixels are
clamped. Rates are the softplus of what is learned. Real batches are not augmented (the authors crop and flip CIFAR's),
and networks start as everywhere here (theirs by Xavier's law).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from udd.data import Dataset
from udd.methods import OWN
from udd.methods.updates import adam_step, learning_rate
from udd.networks.architectures import images_at_once, initialise
from udd.networks.augment import as_float, normalise
from udd.objectives.unrolled import Batch, Weights, descended, pulled, pulled_back, unrolled
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.sets import SyntheticSet

Config = dict[str, Any]
MEETS = OWN
BETAS = (0.5, 0.999)  # of Adam, as in the authors' code


class State(NamedTuple):
    """Pixels [C, B, K, H, W]; what the rates are the softplus of [epochs x B]; the running means of the gradients of
    both and of their squares."""

    images: Tensor
    rates: Tensor
    moments: tuple[Tensor, Tensor, Tensor, Tensor]


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """The start that the configuration names."""
    images, own = initial.start(config, data, generator), config["dd"]
    rates = images.new_full((own["epochs"] * config["ipc"],), math.log(math.expm1(own["rate"])))
    return State(images, rates, tuple(torch.zeros_like(each) for each in (images, images, rates, rates)))  # type: ignore[arg-type]


def real_loss(network: torch.nn.Module, weights: Weights, meeting: Meeting) -> tuple[Tensor, Weights]:
    """The mean cross-entropy of the real batch of every class, and its derivatives by the
    weights; a few images at a time."""
    at = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    images, total, slopes = (
        meeting.real.flatten(0, 1),
        torch.zeros_like(meeting.mean[0]),
        {name: torch.zeros_like(each) for name, each in at.items()},
    )
    labels = torch.arange(len(meeting.real), device=images.device).repeat_interleave(meeting.real.shape[1])
    each = images_at_once(images.shape[-1])
    for part, own in zip(images.split(each), labels.split(each), strict=True):
        inputs = normalise(as_float(part, meeting.mean.dtype), meeting.mean, meeting.std)
        loss = F.cross_entropy(functional_call(network, at, (inputs,)), own, reduction="sum") / len(images)
        for name, found in zip(at, torch.autograd.grad(loss, list(at.values())), strict=True):
            slopes[name] += found
        total += loss.detach()
    return total, slopes


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One step of Adam on images and rates (Algorithm 1, lines 3 to 9)."""
    options, network, images = config["distill"], meeting.network, state.images
    initialise(network, meeting.networks)
    weights = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    inputs, labels = (
        normalise(images.flatten(0, 1), meeting.mean, meeting.std).unflatten(0, images.shape[:2]),
        torch.arange(len(images)),
    )
    labels, rates = labels.to(images.device), F.softplus(state.rates)

    def batch(number: int) -> Batch:
        return Batch(inputs[:, number % images.shape[1]], labels, rates[number])

    run = meeting.execution.execute
    along = unrolled(network, weights, len(rates), batch, run(descended))
    loss, slopes = real_loss(network, along[-1], meeting)
    of_images, of_rates = torch.zeros_like(images), torch.zeros_like(rates)
    for number, of_inputs, of_rate in pulled_back(network, along, batch, slopes, run(pulled)):
        of_images[:, number % images.shape[1]] += of_inputs / meeting.std.view(-1, 1, 1)
        of_rates[number] = of_rate
    found = {"images": of_images, "rates": of_rates * state.rates.sigmoid()}
    count = meeting.outer * options["inner"] + meeting.inner + 1
    made = followed(state, found, learning_rate(options, meeting.outer), meeting.std.view(-1, 1, 1), count)
    return made, {"loss": loss, "rate": rates.mean(), "grad_norm": of_images.norm()}


def followed(state: State, found: dict[str, Tensor], rate: float, std: Tensor, count: int) -> State:
    """Images and rates one step of Adam on; the rate is one for normalised pixels, which move by 1 / std as much."""
    images, (a, b) = adam_step(state.images, state.moments[:2], found["images"], rate * std, count, BETAS)
    rates, (c, d) = adam_step(state.rates, state.moments[2:], found["rates"], rate, count, BETAS)
    return State(images, rates, (a, b, c, d))


def end_network(state: State, _meeting: Meeting, _config: Config) -> State:
    """Pixels are clamped when they are stored."""
    return state


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: its images, without windows, and the mean of the rates that were learned with them."""
    made = initial.as_set(state.images, torch.zeros(0, 4, dtype=torch.int64), True, data, config, provenance)
    return made._replace(metadata=made.metadata | {"rate": float(F.softplus(state.rates).mean())})
