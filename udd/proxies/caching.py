"""The making of a cached network (udd.proxies.cached): trained as a fresh one, and looked at on real
batches at each of its ages.

An age is a number of trainings between two inner steps (`net_images` real images each): 0,
`cache_spacing`, 2 `cache_spacing`, ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.networks import augment
from udd.networks.architectures import Network
from udd.networks.compilation import compiled, pays
from udd.networks.precision import PRECISIONS
from udd.networks.streams import stream
from udd.objectives.execution import as_it_is, planned_flop
from udd.objectives.gradients import Embedding
from udd.objectives.recomputation import means
from udd.proxies import clusters, fresh
from udd.proxies.cached import halved, restored

Distill = dict[str, Any]
Snapshot = dict[str, Tensor]


def begun(data: Dataset, distill: Distill, member: int) -> fresh.Trajectory:
    """A network of the cache before its first age, with a random stream of its own."""
    made = fresh.start(data, distill | schedule(distill), distill["cache_seed"])
    made.training = stream(
        data.train_images.device, "networks", data.name, distill["network"], distill["cache_seed"], member
    )
    made.outer = member
    fresh.new_network(made, data, distill)
    return made


def grown(made: fresh.Trajectory, data: Dataset, distill: Distill) -> None:
    """Train the network until its next age."""
    for _ in range(distill["cache_spacing"]):
        fresh.train_network(made, data, distill, distill["net_images"])
    made.inner += 1


def schedule(distill: Distill) -> Distill:
    """The network's real images as a schedule of Algorithm 1 counts them, for what depends on their
    number: whether to compile."""
    spacing, draws = distill["cache_spacing"], distill["cache_draws"]
    return {
        "outer": 1,
        "inner": distill["cache_ages"],
        "net_images": spacing * distill["net_images"],
        "batch_real": draws * distill["batch_real"],
    }


def observer(data: Dataset, distill: Distill) -> Callable[..., Any]:
    """The mean gradient and mean feature of a batch (udd.objectives.recomputation.means), as this
    cache's networks compute them."""
    network, image = (
        fresh.fresh_network(data, distill, torch.Generator(data.train_images.device)),
        data.train_images[:1],
    )
    pay = pays(
        distill["compile"], planned_flop(distill | schedule(distill), network, image, len(data.classes)), image.device
    )
    return partial((compiled if pay else as_it_is)(means), precision=PRECISIONS[distill["precision"]])


def snapshot(
    made: fresh.Trajectory,
    twin: Network,
    data: Dataset,
    index: tuple[Tensor, Tensor],
    distill: Distill,
    observe: Callable,
) -> Snapshot:
    """The network at its age, in half precision: its weights; of each draw the augmentation [A, C, ...], the real
    gradients [A, C, ...], features [A, C, E]. They are those of the rounded weights, which `twin` takes, so that
    rounding makes another network, and no error."""
    found: Snapshot = {}
    for (name, weight), other in zip(made.network.named_parameters(), twin.parameters(), strict=True):
        half, scale = halved(weight.detach(), 0)
        found |= {f"weights/{name}": half, f"scale/weights/{name}": scale}
        with torch.no_grad():
            other.copy_(restored(half, scale))
    for name, values in stacked(
        [seen(made, twin, data, index, distill, observe, draw) for draw in range(distill["cache_draws"])]
    ).items():
        if name.startswith("draws/"):
            found[name] = values
        else:
            found[name], found[f"scale/{name}"] = halved(values, 2)
    return found


def seen(
    made: fresh.Trajectory,
    twin: Network,
    data: Dataset,
    index: tuple[Tensor, Tensor],
    distill: Distill,
    observe: Callable,
    draw: int,
) -> Snapshot:
    """One draw: its augmentation, the mean gradients of a real batch of every class, and the mean
    features. [C, ...] each."""
    mean, std = (torch.tensor(values, device=data.train_images.device) for values in (data.mean, data.std))
    age = made.inner * distill["cache_spacing"]  # by its true age and number: a smaller cache is a part of a larger one
    made.draws = stream(
        mean.device, "real", data.name, distill["network"], distill["cache_seed"], made.outer, age, draw
    )
    real, draws = fresh.real_batches(made, data, index, distill)
    if clusters.clustered(distill):
        random = stream(
            mean.device, "clusters", data.name, distill["network"], distill["cache_seed"], made.outer, age, draw
        )
        real = data.train_images[clusters.chosen(twin, data, index, distill, random)]
    model = Embedding(twin)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    gradients, features = [], []
    for label, images in enumerate(real):
        inputs = augment.apply(
            augment.normalise(augment.as_float(images, mean.dtype), mean, std), augment.pick(draws, label)
        )
        found, feature = observe(model, weights, inputs, torch.full((), label, device=mean.device), "all", 1.0)
        gradients.append(found)
        features.append(feature)
    names = (name for name, _ in twin.named_parameters())
    each = {
        f"gradients/{name}": torch.stack(of_classes)
        for name, of_classes in zip(names, zip(*gradients, strict=True), strict=True)
    }
    return each | {"features": torch.stack(features)} | {f"draws/{name}": values for name, values in draws.items()}


def stacked(parts: list[Snapshot]) -> Snapshot:
    """Several mappings of the same names as one, with a new first dimension."""
    return {name: torch.stack([part[name] for part in parts]) for name in (parts[0] if parts else ())}
