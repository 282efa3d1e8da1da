"""A distillation's bits: the same again, after every cut, in lockstep as alone, logged or not."""

from typing import Any

import pytest
import torch
from runs import Run, same, states
from tiny import config, dataset

from udd.runs import checkpoint

CASES: dict[str, list[dict[str, Any]]] = {
    "jitter": [{}],
    "vote, pairs drawn": [{"policy": "vote", "max_pairs": 4, "pretrain_epochs": 1}],
    "grid": [{"decode": "grid", "init": "mix", "cfc": False, "net_momentum": 0.0}],
    "lockstep": [{"policy": "random", "ipc": 1}, {"policy": "gradient", "cfc": False, "max_pairs": 7}],
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bits(case):
    configs, data = [config(**changes) for changes in CASES[case]], dataset()
    first, second = states(configs, data), states(configs, data)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    other = states([config | {"seed": 1} for config in configs], data)
    assert not torch.equal(first[-1]["images 0"], other[-1]["images 0"])


@pytest.mark.parametrize("case", CASES)
def test_a_run_cut_at_every_step_and_resumed_has_the_same_bits(case, tmp_path):
    configs, data, path = [config(**changes, inner=3) for changes in CASES[case]], dataset(), tmp_path / "checkpoint"
    curves = [torch.arange(9, dtype=torch.float64).view(1, 9) + i for i in range(len(configs))]
    for step, expected in enumerate(states(configs, data)):
        run = Run(configs, data)
        if step:
            read, seconds = checkpoint.restore(path, run.trajectory, run.sets)
            assert seconds == step - 1
            assert all(torch.equal(a, b) for a, b in zip(read, curves, strict=True))
        run.step()
        assert same(run.state(), expected)
        checkpoint.save(path, run.trajectory, run.sets, curves, step)
        assert same(run.state(), expected)


def test_sets_in_lockstep_are_each_alone_bit_for_bit():
    changes: list[dict[str, Any]] = [
        {},
        {"ipc": 1, "decode": "grid", "init": "mix", "cfc": False},
        {"policy": "random", "distance": "l1", "max_pairs": 5},
    ]
    configs, data = [config(**change) for change in changes], dataset()
    together = states(configs, data)
    for i, each in enumerate(configs):
        for alone, all_of_them in zip(states([each], data), together, strict=True):
            mine = {name.removesuffix(f" {i}"): value for name, value in all_of_them.items() if not name[-1].isdigit() or name.endswith(f" {i}")}
            assert same(mine, {name.removesuffix(" 0"): value for name, value in alone.items()})


def test_logging_changes_no_bit():
    data = dataset()
    quiet, loud = Run([config()], data), Run([config()], data)
    for _ in range(4):
        quiet.step(parts=False)
        loud.step(parts=True)
    assert same(quiet.state(), loud.state())
