"""The network update between two matching steps: 32 steps on 64 images, each augmented by itself, with CutMix."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks import reference, timing
from benchmarks.settings import Row, Settings, Size, Tables, planned, size, ways
from udd.networks.architectures import Network, build
from udd.networks.training import sgd, sgd_step, step_player
from udd.objectives.execution import execution_of
from udd.proxies.fresh import recipe

CLASSES = 10
REFERENCE = "reference, float32 eager"


class Batches(NamedTuple):
    """The images of an update, uint8 [steps, B, 3, H, W], their labels [steps, B], and a mean and standard
    deviation of the channels."""

    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor


def batches(sizes: Size, steps: int, device: torch.device) -> Batches:
    """Random images, as many in a batch as real ones of a class in a matching step."""
    source = torch.Generator(device).manual_seed(0)
    shape = (steps, sizes.real, 3, sizes.side, sizes.side)
    images = torch.randint(0, 256, shape, generator=source, device=device, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, shape[:2], generator=source, device=device)
    return Batches(images, labels, torch.full((3,), 0.5, device=device), torch.full((3,), 0.25, device=device))


def new_network(sizes: Size, device: torch.device) -> Network:
    """The same random network at every call."""
    return build(
        planned()["distill"]["network"], 3, sizes.side, CLASSES, sizes.width, torch.Generator(device).manual_seed(1)
    )


def of_package(network: Network, data: Batches, way: dict[str, str]) -> Callable[[], None]:
    """Our update, as a configuration has it executed."""
    options, source = planned()["distill"], torch.Generator(data.images.device).manual_seed(2)
    how = execution_of(options | way, network, data.images[0, :1], CLASSES)
    plan = recipe(options)
    optimizer = sgd(network, plan)
    play = step_player(optimizer, source)

    def update() -> None:
        for images, labels in zip(data.images, data.labels, strict=True):
            play(sgd_step, network, optimizer, images, labels, plan, data.mean, data.std, source, how.loss)

    return update


def of_reference(network: Network, data: Batches) -> Callable[[], None]:
    """The reference's update."""
    plan, source = recipe(planned()["distill"]), torch.Generator(data.images.device).manual_seed(2)
    optimizer = torch.optim.SGD(network.parameters(), plan["lr"], plan["momentum"], weight_decay=plan["weight_decay"])

    def update() -> None:
        for images, labels in zip(data.images, data.labels, strict=True):
            reference.network_step(network, optimizer, images, labels, plan, data.mean, data.std, source)

    return update


def difference(network: Network, like: Network, start: Network) -> float:
    """How far two networks have come apart, relative to the way that one of them has gone from the start."""
    both = [torch.nn.utils.parameters_to_vector(each.parameters()).detach() for each in (network, like, start)]
    return ((both[0] - both[1]).norm() / (both[1] - both[2]).norm()).item()


def run(settings: Settings) -> Tables:
    """The reference and every way of ours."""
    torch.compiler.reset()
    sizes = size(settings)
    data = batches(sizes, 4 if settings.small else 32, settings.device)
    found = {REFERENCE: None} | ways(settings)
    networks = {name: new_network(sizes, settings.device) for name in found}
    updates = {
        name: of_package(networks[name], data, way) if way else of_reference(networks[name], data)
        for name, way in found.items()
    }
    first, begun = timing.first_calls(updates, settings.device), new_network(sizes, settings.device)
    apart = {name: difference(networks[name], networks[REFERENCE], begun) for name in first}
    taken = timing.timings(updates, first, settings.device, settings.seconds * len(first))
    images = data.labels.numel()
    rows: list[Row] = [
        {"way": name, "images": images}
        | timing.row(each, taken[REFERENCE])
        | {"images/s": images / each.seconds, "apart": apart[name]}
        for name, each in taken.items()
    ]
    return {"network": rows}
