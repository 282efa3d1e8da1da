"""How many steps of which kind a training, a search or a distillation takes: formulas of the loops in
udd.networks.training and udd.methods.udd."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import torch

from udd.config.caches import meets_cache
from udd.config.sections import GRIDS
from udd.costs.sizes import Sizes
from udd.costs.steps import Model, Step, new_network
from udd.networks.architectures import images_at_once
from udd.networks.compilation import forward_flop, pays
from udd.networks.training import forward_batch
from udd.proxies.clusters import clustered, due

Steps = dict[Step, int]  # how many of which
Section = dict[str, Any]  # of a resolved configuration


def together(*parts: Steps) -> Steps:
    """The steps of all parts."""
    total: Counter[Step] = Counter()
    for part in parts:
        total.update(part)
    return {step: count for step, count in total.items() if count}


def widest(steps: Steps) -> list[Step]:
    """Of each kind of step the one on most images."""
    most: dict[Step, Step] = {}
    for step in sorted(steps, key=lambda step: step.images):
        most[step._replace(images=0)] = step
    return list(most.values())


def eager(steps: Steps) -> Steps:
    """The same steps, none compiled."""
    return {step._replace(compiled=False): count for step, count in steps.items()}


def times(steps: Steps, count: int) -> Steps:
    """The steps, so many times over."""
    return {step: each * count for step, each in steps.items()}


def batched(
    kind: str, network: Model, images: int, batch: int, precision: str = "float32", compiled: bool = False
) -> Steps:
    """The steps that take so many images in batches, the last of which may be smaller."""
    whole, rest = divmod(images, batch)
    return {
        Step(kind, network, size, precision, compiled): count
        for size, count in ((batch, whole), (rest, 1))
        if size * count
    }


def passed(network: Model, images: int, device: torch.device, precision: str = "float32") -> Steps:
    """So many images, passed forward in batches that suit the device."""
    return batched("forward", network, images, forward_batch(device, network.side), precision)


def model(recipe: Section, sizes: Sizes, architecture: str = "") -> Model:
    """The network of a section, or another architecture of its width."""
    return Model(architecture or recipe["network"], recipe["width"], sizes.channels, sizes.side, sizes.classes)


def images_of_one(config: Section, every: bool = False) -> int:
    """The training images that one stored image of a set gives: a grid's parts, UDD's P windows (or every one) and
    itself or not, else itself."""
    if config["method"] in GRIDS:
        return config["distill"]["factor"] ** 2
    if "udd" not in config:
        return 1
    own = config["udd"]
    return (own["decode"] == "regions") + (
        4 * len(own["scales"]) if every or own["policy"] == "all" else own["selected"]
    )


def search(own: Section, network: Model, images: int) -> Steps:
    """One search of the windows of so many images."""
    each = images_at_once(network.side)
    policies: dict[str, Steps] = {
        "jitter": batched("forward", network, (1 + own["jitter_copies"]) * images, each),
        "activation": batched("forward", network, images, each),
        "gradient": batched("saliency", network, images, each),  # at most: from a block's map there is less to go back
    }
    return (
        together(*policies.values())
        if own["policy"] == "vote"
        else policies.get(own["policy"].removesuffix("_map"), {})
    )


def own_steps(config: Section, sizes: Sizes, compiled: bool) -> Steps:
    """The steps of UDD or IDC for a set alone. Left out: L_c's own gradient in the few hundred
    steps that the loss curve shows."""
    distill, ipc, own = config["distill"], config["ipc"], config[config["method"]]
    network, outer, inner, classes = model(distill, sizes), distill["outer"], distill["inner"], sizes.classes
    pairs = min(ipc * images_of_one(config), own["max_pairs"])
    matched = {Step("synthetic", network, pairs, distill["precision"], compiled): outer * inner * classes}
    networks = outer * inner if meets_cache(config) else outer
    # F, with every network
    started = times(batched("forward", network, pairs, images_at_once(network.side)), networks * classes * own["cfc"])
    found = times(search(own, network, ipc * classes), outer * inner) if config["method"] == "udd" else {}
    return together(matched, started, found)


def network_steps(distill: Section, sizes: Sizes, compiled: bool, trainings: int) -> Steps:
    """The steps of training one network, before and in so many trainings between its inner steps."""
    batch = distill["net_batch"]
    steps = -(-distill["pretrain_epochs"] * sizes.train // batch) + trainings * -(-distill["net_images"] // batch)
    return together({Step("train", model(distill, sizes), batch, distill["precision"], compiled): steps})


def real_steps(distill: Section, sizes: Sizes, compiled: bool, batches: int) -> Steps:
    """The real gradients of so many batches of every class."""
    return {
        Step("real", model(distill, sizes), distill["batch_real"], distill["precision"], compiled): batches
        * sizes.classes
    }


def embedding_steps(distill: Section, sizes: Sizes, searches: int) -> Steps:
    """The embeddings of all real images, for so many searches of representative ones, if any are made. Left out: the
    products of k-means itself."""
    each = batched("forward", model(distill, sizes), sizes.train, images_at_once(sizes.side), distill["precision"])
    return times(each, searches * clustered(distill))


def searches(distill: Section) -> int:
    """How often a distillation chooses representative real images, if it does (udd.proxies.clusters)."""
    return (
        sum(due(distill, outer, inner) for outer in range(distill["outer"]) for inner in range(distill["inner"]))
        if clustered(distill)
        else 0
    )


def shared_steps(distill: Section, sizes: Sizes, compiled: bool) -> Steps:
    """The steps of a distillation that do not depend on its set, unless a cache has them: real batches, their
    gradients, training the networks."""
    trained = times(network_steps(distill, sizes, compiled, distill["inner"]), distill["outer"])
    real = real_steps(distill, sizes, compiled, distill["outer"] * distill["inner"])
    return together(real, trained, embedding_steps(distill, sizes, searches(distill)))


def cache_steps(distill: Section, sizes: Sizes, compiled: bool) -> Steps:
    """The steps of making one cached network: real gradients at each age, and training from one to the next."""
    ages, spacing = distill["cache_ages"], distill["cache_spacing"]
    draws = ages * distill["cache_draws"]
    real = together(real_steps(distill, sizes, compiled, draws), embedding_steps(distill, sizes, draws))
    return together(real, network_steps(distill, sizes, compiled, (ages - 1) * spacing))


@cache
def image_flop(network: Model) -> int:
    """The operations of one image's way through a network. Of a real one: on tensors without memory the count is the
    same, but torch then loads its compiler, which takes longer than a short job."""
    return forward_flop(new_network(network, torch.device("cpu")), torch.zeros(1, *network.shape))


def compiles(choice: str, network: Model, images: int, device: torch.device) -> bool:
    """Whether a job that trains on so many images compiles its steps (udd.networks.compilation)."""
    return pays(choice, 3.0 * images * image_flop(network), device)


def distillation_compiles(distill: Section, sizes: Sizes, device: torch.device) -> bool:
    """Whether a distillation compiles its steps (udd.objectives.execution)."""
    images = distill["outer"] * distill["inner"] * (sizes.classes * distill["batch_real"] + distill["net_images"])
    return compiles(distill["compile"], model(distill, sizes), images, device)
