"""Pools of networks: met again and again with the same bits, trained beforehand or not; one line for a pool that does not fit."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from jobs import Bench
from runs import Run
from safetensors.torch import load_file, save_file
from tiny import config, dataset
from torch import Tensor

from udd.command import main
from udd.errors import UserError

POOL = {"networks": "pool", "pool": 2, "inner": 3}
CONFIG = config(**POOL, outer=3)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    """The data set, the pool, and the set that is made without it."""
    made = Bench(tmp_path_factory.mktemp("bench"))
    made.pool(CONFIG)
    made.distil(CONFIG, "trained")
    return made


@pytest.fixture
def copied(bench, tmp_path) -> Path:
    """A pool to be harmed."""
    return shutil.copytree(bench.folder / "pool", tmp_path / "pool")


# --- the networks ---


def met(**changes: Any) -> list[Tensor]:
    """The networks that a distillation of four meets, each as it was before every inner step and at its end, as numbers in a row."""
    run = Run(config(**({"outer": 4, "inner": 2} | changes)), dataset())
    found: list[list[Tensor]] = []
    for _ in range(run.total):
        run.advance(False)
        found.append([weight.detach().clone().flatten() for weight in run.trajectory.network.parameters()])
    steps = [torch.cat(weights) for weights in found]
    return [torch.stack(steps[first : first + 2]) for first in range(0, len(steps), 2)]


@pytest.mark.parametrize("changes", [{}, {"pretrain_epochs": 1}, {"net_images": 0}, {"policy": "random", "ipc": 1}], ids=str)
def test_networks_of_a_pool_come_round_with_the_same_bits(changes):
    first, second, again, second_again = met(networks="pool", pool=2, **changes)
    assert torch.equal(first, again) and torch.equal(second, second_again)
    assert not torch.equal(first, second)


def test_fresh_networks_never_come_again():
    networks = met(networks="fresh", pool=2)
    assert not any(torch.equal(a, b) for i, a in enumerate(networks) for b in networks[:i])


def test_a_pool_of_one_is_one_network_and_a_large_one_is_never_exhausted():
    one, large = met(networks="pool", pool=1), met(networks="pool", pool=20)
    assert all(torch.equal(a, b) for a, b in pairwise(one))
    assert torch.equal(one[0], large[0])
    assert not any(torch.equal(a, b) for i, a in enumerate(large) for b in large[:i])


def test_a_pool_is_of_its_seed():
    assert not torch.equal(met(networks="pool", pool=2)[0], met(networks="pool", pool=2, seed=1)[0])


def test_the_same_network_meets_other_real_batches():
    run = Run(config(networks="pool", pool=1, inner=1, outer=4, policy="all", image_lr=1e-30), dataset())
    losses = [run.advance(False)["loss_gradient"] for _ in range(4)]
    assert len(torch.stack(losses).unique(dim=0)) == 4


# --- trained beforehand ---


def test_a_file_holds_a_network_before_and_after_each_inner_step(bench):
    run = Run(CONFIG, dataset())
    for member in range(2):
        states = load_file(bench.folder / "pool" / f"network{member}.safetensors")
        assert states.keys() == dict(run.trajectory.network.named_parameters()).keys()
        assert {len(state) for state in states.values()} == {POOL["inner"] + 1}
        classifier = states["classifier.weight"]
        assert all(not torch.equal(before, after) for before, after in pairwise(classifier))


@pytest.mark.parametrize("changes", [{}, {"policy": "vote", "pretrain_epochs": 1}, {"net_momentum": 0.0, "cfc": False}], ids=str)
def test_a_set_made_with_the_pool_is_the_set_made_without(tmp_path, changes):
    bench, both = Bench(tmp_path), config(**POOL, outer=3, **changes)
    bench.distil(both, "trained")
    bench.distil(both, "recalled", "--pool", bench.pool(both))
    assert bench.same("trained", "recalled")


def test_with_a_pool_no_network_is_trained(bench, monkeypatch):
    def train_network(*_args):
        raise AssertionError("a network is trained")

    monkeypatch.setattr("udd.proxies.fresh.train_network", train_network)
    bench.distil(CONFIG, "recalled", "--pool", bench.folder / "pool")
    assert bench.same("trained", "recalled")
    with pytest.raises(AssertionError):
        bench.distil(CONFIG, "another")


def test_one_pool_serves_every_set_that_meets_the_same_networks(bench):
    other = config(**POOL, outer=3, ipc=1, policy="random", cfc=False)
    bench.distil(other, "with", "--pool", bench.folder / "pool")
    bench.distil(other, "alone")
    assert bench.same("with", "alone")


def test_a_run_with_a_pool_cut_after_every_step_ends_with_the_same_bits(bench):
    arguments = (CONFIG, "cut", "--pool", bench.folder / "pool")
    for _ in range(3 * POOL["inner"] - 1):
        bench.stop(*arguments)
    bench.distil(*arguments)
    assert bench.same("trained", "cut")


def test_a_run_begun_without_the_pool_goes_on_with_it(bench):
    for _ in range(2):
        bench.stop(CONFIG, "later")
    bench.distil(CONFIG, "later", "--pool", bench.folder / "pool")
    assert bench.same("trained", "later")


# --- a pool that does not fit ---


def refusal(bench: Bench, capsys, folder: Path, **changes: Any) -> str:
    """The one line on which a distillation with this pool ends."""
    with pytest.raises(SystemExit) as ended:
        main(lambda: bench.distil(config(**(POOL | {"outer": 3} | changes)), "refused", "--pool", folder))
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    assert not (bench.folder / "refused.safetensors").exists()
    return error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "seed is 0, planned 1"),
        ({"width": 5}, "width is 4, planned 5"),
        ({"inner": 4}, "inner is 3, planned 4"),
        ({"net_lr": 0.5}, "net_lr is 0.01, planned 0.5"),
        ({"pool": 3}, "pool is 2, planned 3"),
    ],
    ids=str,
)
def test_a_pool_of_another_configuration_is_refused(bench, capsys, changes, words):
    error = refusal(bench, capsys, bench.folder / "pool", **changes)
    assert f"{bench.folder / 'pool'}/network0.safetensors: trained for another configuration: " in error and words in error
    assert "make it again with udd pool" in error


def test_what_concerns_the_images_may_be_another(bench):
    bench.distil(config(**POOL, outer=3, ipc=1, policy="all", image_lr=0.1), "other-images", "--pool", bench.folder / "pool")


@pytest.mark.parametrize("harm", ["missing", "empty", "truncated", "text", "a set", "bare weights"])
def test_a_network_that_is_not_whole_is_refused_by_name(bench, copied, capsys, harm):
    path = copied / "network1.safetensors"
    whole = path.read_bytes()
    path.unlink()
    if harm == "a set":
        shutil.copy(bench.folder / "trained.safetensors", path)
    elif harm == "bare weights":
        save_file({"classifier.weight": torch.zeros(4, 3, 4)}, path)
    elif harm != "missing":
        path.write_bytes({"empty": b"", "truncated": whole[:-10], "text": b"weights"}[harm])
    error = refusal(bench, capsys, copied)
    assert f"{path}: " in error and "udd pool" in error


def test_networks_that_are_never_met_may_be_missing(bench, tmp_path):
    many = config(**(POOL | {"pool": 9}), outer=2)
    for member in range(2):
        bench.pool_network(many, member, "some")
    bench.distil(many, "few-of-many", "--pool", bench.folder / "some")


def test_a_pool_is_refused_where_networks_are_fresh(bench, capsys):
    error = refusal(bench, capsys, bench.folder / "pool", networks="fresh")
    assert f"--pool {bench.folder / 'pool'}: the configuration says `networks: fresh`, expected `pool`; leave --pool out" in error


@pytest.mark.parametrize(("changes", "member"), [({}, 2), ({}, -1), ({"networks": "fresh"}, 0)])
def test_a_network_that_is_in_no_pool_is_not_trained(bench, changes, member):
    with pytest.raises(UserError, match=f"--member {member}: expected `networks: pool` and a number below 2; found"):
        bench.pool_network(config(**(POOL | changes)), member, "none")
    assert not (bench.folder / "none").exists()
