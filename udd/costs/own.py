"""What a step of a method costs, counted as the method's own code runs on tensors without memory: so a new
method's cost is known with it.

UDD and IDC, whose steps may be compiled or go in parts, have formulas of their loops (udd.costs.schedule).
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import torch
from torch._subclasses import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from udd import methods
from udd.config.caches import meets_cache
from udd.config.plan import canonical
from udd.config.sections import MATCHING
from udd.costs.flops import flop
from udd.costs.keeping import keep, kept, kept_at
from udd.costs.memory import Live
from udd.costs.schedule import Section, Steps, model
from udd.costs.sizes import Sizes
from udd.costs.steps import Step, new_network
from udd.data import Dataset
from udd.networks.augment import draw
from udd.objectives.execution import EAGER
from udd.objectives.matching import Target
from udd.provenance import code_digest
from udd.proxies.meeting import Meeting

CPU = torch.device("cpu")


def blank(config: Section, sizes: Sizes) -> Dataset:
    """Black images, just enough of every class for a set's start."""
    each = config["ipc"] * config["distill"]["factor"] ** 2
    images = torch.zeros(sizes.classes * each, sizes.channels, sizes.side, sizes.side, dtype=torch.uint8)
    labels = torch.arange(sizes.classes).repeat_interleave(each)
    names, half = [str(number) for number in range(sizes.classes)], [0.5] * sizes.channels
    return Dataset("blank", names, half, half, images, labels, images[:1], labels[:1])


def meeting(config: Section, sizes: Sizes) -> Meeting:
    """What the first step meets, in whatever mode tensors are made."""
    distill, random = config["distill"], torch.Generator()
    real = torch.zeros(sizes.classes, distill["batch_real"], sizes.channels, sizes.side, sizes.side, dtype=torch.uint8)
    draws, half = (
        draw(distill["matching_augment"], sizes.classes, sizes.side, random),
        torch.full((sizes.channels,), 0.5),
    )
    network = new_network(model(distill, sizes), CPU)
    weights = tuple(weight.detach() for weight in network.parameters())
    met = Meeting(network, real, draws, half, half, random, random, EAGER, 0, 0, logged=False, anew=True)
    if methods.module(config["method"]).MEETS == methods.PROXIES and meets_cache(config):
        embedding = torch.zeros(sizes.classes, network.classifier.in_features)
        return met._replace(
            target=Target(tuple(torch.zeros(sizes.classes, *weight.shape) for weight in weights), embedding)
        )
    return met._replace(expert=lambda age: weights, share=0.5)


def counter() -> FlopCounterMode:
    """A counter of operations that does not ask in which module they are: what asks fails inside torch.func.vjp."""

    class Nowhere(nullcontext):
        parents = ("Global",)

    made = FlopCounterMode(display=False)
    made.mod_tracker = Nowhere()  # type: ignore[assignment]
    return made


class StepCost(NamedTuple):
    """What one step of a method takes: operations, a multiply-add being two; bytes that live at its peak."""

    flop: int
    bytes: int


def held(*values: Any) -> int:
    """The bytes of all tensors in some values."""
    return sum(value.numel() * value.element_size() for value in tree_leaves(values) if isinstance(value, torch.Tensor))


def counted(found: Section, sizes: Sizes) -> StepCost:
    """What one step of a method takes, what it meets and its state among the bytes."""
    method = methods.module(found["method"])
    begun = method.begin(found, blank(found, sizes), torch.Generator())
    with FakeTensorMode() as mode:
        state, met = tree_map_only(torch.Tensor, mode.from_tensor, begun), meeting(found, sizes)
        with counter() as counting, Live() as live:
            method.step(state, met, found)
        return StepCost(counting.get_total_flops(), live.peak + held(state, met.real, list(met.network.parameters())))


@cache
def known(config: str, sizes: Sizes) -> StepCost:
    """What one step takes, by what is kept of an earlier count of the present code's, if there was one;
    `config` as canonical JSON."""
    found: Section = json.loads(config)
    code = [code_digest(module) for module in ("udd.costs.own", *methods.modules(found))]
    path = kept_at(
        "steps",
        found["method"],
        config,
        sizes,
        torch.__version__,
        code,
        methods.module(found["method"]).MEETS,
        meets_cache(found),
    )
    before = kept(path)
    if all(isinstance(before.get(name), int) for name in StepCost._fields):
        return StepCost(before["flop"], before["bytes"])
    print(
        f"counting a step of {found['method']} at IPC {found['ipc']}, {sizes.classes} classes: seconds, once",
        file=sys.stderr,
    )
    cost = counted(found, sizes)
    keep(path, {"config": found, "sizes": sizes._asdict()} | cost._asdict())
    return cost


def step_cost(config: Section, sizes: Sizes) -> StepCost:
    """What one step takes. Seeds, names and how many images there are change nothing of it."""
    alike = config | {"seed": 0, "variant": config["method"], "dataset": {"name": ""}}
    return known(canonical(alike), sizes._replace(train=0, test=0))


def method_steps(config: Section, sizes: Sizes) -> Steps:
    """The steps of a method, as so many steps of training its network that are as much work."""
    distill = config["distill"]
    one = Step("train", model(distill, sizes), distill["net_batch"])
    work = distill["outer"] * distill["inner"] * step_cost(config, sizes).flop
    return {one: max(1, round(work / flop(one)))}


def peak(config: Section, sizes: Sizes) -> int:
    """The bytes that live at the peak of a step of a method's own; 0 of UDD and IDC, whose steps
    are followed one by one."""
    return 0 if config["method"] in MATCHING else step_cost(config, sizes).bytes
