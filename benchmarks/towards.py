"""The image gradient towards a real gradient that is known: double backward, as our step has it, against forward over
reverse; a class at a time, and all classes at once by torch.vmap. Decoding and augmentation are not in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks import forward, timing
from benchmarks.problem import Problem, problem
from benchmarks.settings import Row, Settings, Tables, size, ways
from udd.costs.memory import Live
from udd.networks.compilation import compiled
from udd.networks.precision import PRECISIONS
from udd.objectives import gradients
from udd.objectives.gradients import Embedding
from udd.objectives.matching import cfc_options

REFERENCE = "double backward, a class at a time"
FUNCTIONS = {"double backward": gradients.image_gradient, "forward over reverse": forward.image_gradient}


def inputs_of(given: Problem) -> tuple[Tensor, list[Tensor]]:
    """Training images of every class [c, Q, K, H, W], and a target on each convolution's weights [c, ...], at
    random."""
    source, device = torch.Generator(given.real.device).manual_seed(0), given.real.device
    count, pairs = given.work.pairs.shape[:2]
    seen = torch.randn(count, pairs, *given.real.shape[2:], generator=source, device=device)
    shapes = [weight.shape for weight in given.network.parameters() if weight.ndim == 4]
    return seen, [0.01 * torch.randn(count, *shape, generator=source, device=device) for shape in shapes]


def candidates(given: Problem, precision: str, compile: bool) -> dict[str, Callable[[], Tensor]]:
    """Each function, a class at a time and all at once: calls that give the gradients on the
    training images [c, Q, K, H, W]."""
    model, (seen, target) = Embedding(given.network), inputs_of(given)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    labels = torch.arange(len(seen), device=seen.device)
    rest = (
        *cfc_options(given.work),
        given.work.options["distance"],
        given.work.options["matched"],
        PRECISIONS[precision],
    )

    def singly(function: Callable[..., Any]) -> Callable[[], Tensor]:
        run = compiled(function) if compile else function
        return lambda: torch.stack(
            [run(model, weights, x, labels[c], [t[c] for t in target], *rest)[0] for c, x in enumerate(seen)]
        )

    def together(function: Callable[..., Any]) -> Callable[[], Tensor]:
        def whole(weights: dict[str, Tensor], seen: Tensor, labels: Tensor, target: list[Tensor]) -> Tensor:
            return torch.vmap(lambda x, label, found: function(model, weights, x, label, found, *rest)[0])(
                seen, labels, target
            )

        run = compiled(whole) if compile else whole
        return lambda: run(weights, seen, labels, target)

    each = {f"{name}, a class at a time": singly(function) for name, function in FUNCTIONS.items()}
    return each | {f"{name}, all at once": together(function) for name, function in FUNCTIONS.items()}


def live_bytes(way: Callable[[], Tensor]) -> int:
    """The most bytes of tensors that live at a time in a call that is not compiled."""
    with Live() as live:
        way()
    return live.peak


def case(given: Problem, ipc: int, name: str, way: dict[str, str], settings: Settings) -> list[Row]:
    """All candidates on one IPC, in one precision."""
    timing.say(f"IPC {ipc}, {name}")
    torch.compiler.reset()
    compile = way["compile"] == "always"
    found = candidates(given, way["precision"], compile)
    taken = timing.compare(found, settings.device, settings.seconds * len(found))
    about = {"IPC": ipc, "pairs": given.work.pairs.shape[1], "engine": name}
    rows = [about | {"way": each} | timing.row(seconds, taken[REFERENCE]) for each, seconds in taken.items()]
    return [row | ({} if compile else {"live MB": live_bytes(found[row["way"]]) / 1e6}) for row in rows]


def run(settings: Settings) -> Tables:
    """CIFAR-10's shape, every IPC, every execution."""
    sizes = size(settings)
    problems = {ipc: problem(sizes, sizes.classes, ipc, settings.device) for ipc in sizes.ipc}
    return {
        "towards": [
            row
            for ipc, given in problems.items()
            for name, way in ways(settings).items()
            for row in case(given, ipc, name, way, settings)
        ]
    }
