"""A distillation in this process, step by step, with everything that decides how it goes on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods.udd import Distilled, advance, begin
from udd.objectives.matching import Matched
from udd.proxies.fresh import Trajectory, class_index, start

State = dict[str, Tensor]


def state(trajectory: Trajectory, sets: list[Distilled]) -> State:
    """Everything that decides how a run goes on, copied."""
    found: State = {"place": torch.tensor([trajectory.outer, trajectory.inner])}
    found |= {"draws": trajectory.draws.get_state(), "training": trajectory.training.get_state()}
    for name, weight in trajectory.network.named_parameters():
        found[f"weight {name}"] = weight.detach()
        momentum = trajectory.optimizer.state.get(weight, {}).get("momentum_buffer")
        if momentum is not None:
            found[f"momentum {name}"] = momentum
    for i, made in enumerate(sets):
        found |= {f"images {i}": made.images, f"velocity {i}": made.velocity, f"random {i}": made.generator.get_state(), f"broken {i}": made.broken}
        found |= {f"averages {i}": made.averages} if made.averages is not None else {}
    return {name: value.clone() for name, value in found.items()}


def same(a: State, b: State) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


class Run:
    """A run in this process, step by step."""

    def __init__(self, configs: list[dict[str, Any]], data: Dataset):
        self.configs, self.data = configs, data
        self.trajectory = start(data, configs[0]["distill"], configs[0]["seed"])
        self.sets = [begin(config, data) for config in configs]

    def step(self, parts: bool = False) -> list[Matched]:
        return advance(self.trajectory, self.sets, self.data, class_index(self.data.train_labels, len(self.data.classes)), parts)

    def state(self) -> State:
        return state(self.trajectory, self.sets)

    @property
    def length(self) -> int:
        return self.configs[0]["distill"]["outer"] * self.configs[0]["distill"]["inner"]


def states(configs: list[dict[str, Any]], data: Dataset) -> list[State]:
    """The state after every step of an uninterrupted run."""
    run, found = Run(configs, data), []
    for _ in range(run.length):
        run.step()
        found.append(run.state())
    return found
