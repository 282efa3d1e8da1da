"""params.yaml -> the jobs that make it, and what steps each of them takes."""

from __future__ import annotations

from typing import NamedTuple

import torch

from udd import methods
from udd.config import drawings as analysis
from udd.config import plan, requested
from udd.config.caches import caches, meets_cache
from udd.config.plan import Cell, Params
from udd.config.sections import MATCHING
from udd.costs import own
from udd.costs.schedule import (
    Section,
    Steps,
    batched,
    cache_steps,
    compiles,
    distillation_compiles,
    embedding_steps,
    images_of_one,
    model,
    network_steps,
    own_steps,
    passed,
    searches,
    shared_steps,
    times,
    together,
)
from udd.costs.sizes import Sizes
from udd.costs.steps import new_network
from udd.evaluation.accuracy import checkup_epochs
from udd.networks.training import epochs
from udd.proxies.cached import nbytes
from udd.proxies.caching import schedule

FLOAT = 4  # bytes


class Workload(NamedTuple):
    """What one job takes: kind, data set, the steps for its set and those on real images alone; the bytes that it holds
    throughout, of the data and of its own; those that it leaves on the disk, where they are many; those of its method's
    own step, where it is followed whole (udd.costs.own)."""

    kind: str
    dataset: str
    own: Steps
    shared: Steps = {}
    data: int = 0
    held: int = 0
    disk: int = 0
    step: int = 0


def distillation(params: Params, cell: Cell, seed: int, sizes: Sizes, device: torch.device) -> Workload:
    """The job that distils a set. It holds a real batch of every class, and its set as images,
    velocity, gradient and update."""
    config = plan.set_config(params, cell, seed)
    distill, ipc = config["distill"], int(cell.ipc)
    compiled = distillation_compiles(distill, sizes, device)
    alone, shared = method_steps(config, sizes, compiled)
    data, held = (
        sizes.stored + sizes.classes * distill["batch_real"] * sizes.image,
        4 * sizes.classes * ipc * sizes.image * FLOAT,
    )
    return Workload("distil", cell.dataset, alone, shared, data, held, step=own.peak(config, sizes))


def method_steps(config: Section, sizes: Sizes, compiled: bool) -> tuple[Steps, Steps]:
    """The steps of a method for its set alone, and those on real images alone, which a cache may have taken already."""
    distill = config["distill"]
    if config["method"] in MATCHING:
        return own_steps(config, sizes, compiled), {} if meets_cache(config) else shared_steps(distill, sizes, compiled)
    meets = methods.module(config["method"]).MEETS
    chosen = (
        {} if meets == methods.PROXIES and meets_cache(config) else embedding_steps(distill, sizes, searches(distill))
    )
    if meets == methods.OWN or meets_cache(config):
        return together(own.method_steps(config, sizes), chosen), {}
    trained = times(network_steps(distill, sizes, compiled, distill["inner"]), distill["outer"])
    return own.method_steps(config, sizes), together(trained, chosen)


def cache(config: Section, sizes: Sizes, device: torch.device) -> list[Workload]:
    """The jobs that make the networks of the cache that a set meets."""
    distill, network = config["distill"], new_network(model(config["distill"], sizes), torch.device("meta"))
    steps = cache_steps(distill, sizes, distillation_compiles(distill | schedule(distill), sizes, device))
    disk = nbytes(
        distill, sum(weight.numel() for weight in network.parameters()), network.classifier.in_features, sizes.classes
    )
    return [Workload("cache", config["dataset"]["name"], steps, data=sizes.stored, held=disk, disk=disk)] * distill[
        "cache_networks"
    ]


def coreset(params: Params, cell: Cell, seed: int, sizes: Sizes, device: torch.device) -> Workload:
    """The job that chooses a coreset: at random, or by a network trained on all images."""
    config = plan.set_config(params, cell, seed)
    if "coreset" not in config:
        return Workload("coreset", cell.dataset, {}, data=sizes.stored)
    recipe = config["coreset"]
    network = model(recipe, sizes)
    trained = times(batched("train", network, sizes.train, recipe["batch"]), recipe["epochs"])
    embedded = passed(network, sizes.train, device) if config["method"] == "herding" else {}
    return Workload("coreset", cell.dataset, together(trained, embedded), data=sizes.stored)


def training_images(config: Section, views: str, sizes: Sizes) -> int:
    """The images that an evaluation trains on in an epoch: all real ones, or the set's with such views (all,
    searched, random or none)."""
    if config["method"] == "full":
        return sizes.train
    each = 1 if views == "none" else images_of_one(config, every=views == "all")
    return stored(config, sizes) * each


def stored(config: Section, sizes: Sizes) -> int:
    """The images of a set."""
    return sizes.classes * plan.images_a_class(config)


def decoded(images: int, made_of: int, sizes: Sizes) -> int:
    """The bytes of a set's training images and of what cropping a window of each stored image takes meanwhile: its
    matrices, for each channel one, and two products (udd.synthetic.decoding)."""
    return (images + (5 * made_of if images > made_of else 0)) * sizes.image * FLOAT


def evaluation(params: Params, record: plan.Record, sizes: Sizes, device: torch.device) -> Workload:
    """The job that trains networks on a set and tests them, at the end once more class by class."""
    config = plan.evaluation_config(params, record)
    recipe = config["evaluate"]
    network, images = (
        model(recipe, sizes, config["architecture"]),
        training_images(config["set"], recipe["views"], sizes),
    )
    lasting = epochs(recipe, images, sizes.classes)
    compiled = compiles(recipe["compile"], network, lasting * images, device)
    trained = times(batched("train", network, images, recipe["batch"], recipe["precision"], compiled), lasting)
    tests = len(checkup_epochs(lasting, recipe["checkups"])) + 1
    tested = times(passed(network, sizes.test, device, recipe["precision"]), tests)
    each = times(together(trained, tested), len(params["seeds"]["evaluate"]))
    held = 0 if config["set"]["method"] == "full" else decoded(images, stored(config["set"], sizes), sizes)
    return Workload("evaluate", record.cell.dataset, each, data=sizes.stored, held=held)


def reference(params: Params, dataset: str, sizes: Sizes, device: torch.device) -> Workload:
    """The job that trains the networks by which mUE and figures see a data set."""
    recipe = analysis.reference_config(params, dataset)["utilization"]
    network = model(recipe, sizes)
    trained = times(batched("train", network, sizes.train, recipe["batch"]), recipe["epochs"])
    seen = passed(network, min(recipe["images"], sizes.train), device)
    return Workload("proxies", dataset, times(together(trained, seen), recipe["networks"]), data=sizes.stored)


def measurement(params: Params, cell: Cell, sizes: Sizes, device: torch.device) -> Workload:
    """The job that measures the utilisation of a set."""
    config = plan.utilization_config(params, cell, 0)
    recipe = config["utilization"]
    images = min(recipe["images"], sizes.train) if cell.ipc == plan.FULL else stored(config["set"], sizes)
    seen = times(passed(model(recipe, sizes), images, device), recipe["networks"])
    return Workload("utilization", cell.dataset, seen, held=images * sizes.image * FLOAT)


def wanted_sets(params: Params) -> list[tuple[Cell, int]]:
    """(cell, seed) of every set that an evaluation, a measurement or a figure needs, once; the full data set is
    none."""
    evaluated = [(record.cell, record.seed) for record in requested.all_records(params)]
    shown = [
        (cell, seed)
        for drawing in analysis.drawings(params)
        for cell in analysis.drawn_cells(params, drawing)
        for seed in analysis.shown_seeds(params, drawing.name, cell)
    ]
    needed = plan.unique(
        (plan.made_as(params, cell), seed) for cell, seed in [*evaluated, *analysis.measurements(params), *shown]
    )
    return [found for found in needed if found[0].ipc != plan.FULL]


def workloads(params: Params, sizes: dict[str, Sizes], device: torch.device) -> list[Workload]:
    """Those of every job that takes time. `sizes`: of each data set, by name."""
    found = []
    for cell, seed in wanted_sets(params):
        make = distillation if cell.variant in plan.distilled(params) else coreset
        found.append(make(params, cell, seed, sizes[cell.dataset], device))
    for config in caches(params).values():
        found += cache(config, sizes[config["dataset"]["name"]], device)
    found += [
        evaluation(params, record, sizes[record.cell.dataset], device) for record in requested.all_records(params)
    ]
    found += [reference(params, dataset, sizes[dataset], device) for dataset in analysis.with_reference(params)]
    return found + [measurement(params, cell, sizes[cell.dataset], device) for cell, _ in analysis.measurements(params)]
