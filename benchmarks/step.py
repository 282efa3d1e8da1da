"""The matching step: ours, as it can be configured, and the variants tried, against the eager per-class loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import reference, timing, variants
from benchmarks.problem import Problem, in_float64, problem
from benchmarks.settings import Row, Settings, Size, Tables, planned, size, ways
from udd.objectives import matching
from udd.objectives.execution import execution_of

REFERENCE = "reference, float32 eager"
OUTPUTS = {"cifar10": 10, "cifar100": 100}  # of either, the same number of classes is gone through


def of_package(given: Problem, way: dict[str, str]) -> Callable[[], Tensor]:
    """Our step, as a configuration has it executed. Gives the image gradients [c, B, K, H, W]."""
    how = execution_of(planned()["distill"] | way, given.network, given.work.images[0, :1], len(given.work.averages))
    return lambda: how.play(matching.matching_step, given.network, given.work, *given[2:], False, how).gradient


def of_reference(given: Problem) -> Callable[[], Tensor]:
    """The reference's step; which image goes with which window is sorted out before."""
    groups = reference.groups(given)
    return lambda: reference.matching_step(given, groups)


def error(found: Tensor, exact: Tensor) -> float:
    """The relative error of a gradient, in the Euclidean norm over all pixels."""
    return ((found - exact).norm() / exact.norm()).item()


def rows(given: Problem, candidates: dict[str, Callable[[], Tensor]], settings: Settings) -> list[Row]:
    """Seconds, ratio and error of each candidate."""
    taken = timing.compare(candidates, settings.device, settings.seconds * len(candidates))
    exact = of_reference(in_float64(given))()
    base = taken.get(REFERENCE)
    return [
        {"way": name} | timing.row(found, base) | {"error": error(candidates[name](), exact)}
        for name, found in taken.items()
    ]


def case(sizes: Size, dataset: str, ipc: int, settings: Settings) -> list[Row]:
    """All candidates on one data set's shape and IPC."""
    timing.say(f"{dataset}, IPC {ipc}")
    torch.compiler.reset()  # what was compiled for other shapes would be looked through at every call
    given = problem(sizes, OUTPUTS[dataset], ipc, settings.device)
    ours = {name: of_package(given, way) for name, way in ways(settings).items()}
    others = {} if settings.eager or dataset != "cifar10" else variants.variants(given)
    about = {"dataset": dataset, "IPC": ipc, "classes": sizes.classes, "pairs": given.work.pairs.shape[1]}
    return [about | found for found in rows(given, {REFERENCE: of_reference(given)} | ours | others, settings)]


def run(settings: Settings) -> Tables:
    """Both data sets' shapes, every IPC."""
    sizes = size(settings)
    return {
        "step": [found for dataset in OUTPUTS for ipc in sizes.ipc for found in case(sizes, dataset, ipc, settings)]
    }
