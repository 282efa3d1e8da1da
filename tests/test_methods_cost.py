"""What a step of any method costs, counted on tensors without memory: against the counter on a real run,
and the counter against hand."""

import pytest
import tiny
import torch
import torch.nn.functional as F
from runs import Run

from udd import methods
from udd.config.plan import Cell
from udd.costs import keeping, own, report, workload
from udd.costs.costs import largest
from udd.costs.flops import flop
from udd.costs.memory import Live
from udd.costs.sizes import Sizes


@pytest.mark.parametrize("name", ["dm", "dsa", "dc", "dd", "cafe", "kip", "mtt", "dance", "ncfm", "udd-features"])
def test_the_cost_of_any_method_is_that_of_its_own_steps(name):
    # A small kernel is less than one step of training
    config = tiny.of_method(name, inner=1, **({"batch_real": 200} if name == "kip" else {}))
    run = Run(config, tiny.dataset())
    with own.counter() as counter:
        for _ in range(config["distill"]["outer"]):
            run.advance(False)
    parts = workload.method_steps(config, Sizes(3, 8, 3, 21, 6), False)
    foretold = sum(count * flop(step) for part in parts for step, count in part.items())
    assert foretold == pytest.approx(counter.get_total_flops(), rel=0.04)


def test_the_counter_counts_what_a_hand_counts():
    """A convolution of 2 images, 3 to 4 channels, 3 x 3, at 8 x 8 places; its two derivatives cost as much
    each; inside torch.func too."""
    images, weight = torch.rand(2, 3, 8, 8), torch.rand(4, 3, 3, 3)
    forward = 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)
    with own.counter() as counter:
        F.conv2d(images, weight, padding=1)
    assert counter.get_total_flops() == forward
    with own.counter() as counter:
        torch.func.vjp(lambda images, weight: F.conv2d(images, weight, padding=1), images, weight)[1](
            torch.ones(2, 4, 8, 8)
        )
    assert counter.get_total_flops() == 3 * forward


@pytest.mark.parametrize("name", ["dm", "dsa", "dd", "cafe", "kip", "mtt", "dance", "ncfm", "udd-features"])
def test_the_memory_of_any_method_is_that_of_its_own_step(name):
    """On tensors without memory as on real ones, whose step here is the same but for what its numbers decide."""
    config, small = tiny.of_method(name), Sizes(3, 8, 3, 21, 6)
    method, met = methods.module(config["method"]), own.meeting(config, small)
    state = method.begin(config, own.blank(config, small), torch.Generator())
    with Live() as live:
        method.step(state, met, config)
    real = live.peak + own.held(state, met.real, list(met.network.parameters()))
    assert own.peak(config, small) == pytest.approx(real, rel=0.05)


def test_a_jobs_memory_is_its_methods_step_and_what_lasts():
    found = tiny.params()
    cifar10 = Sizes(3, 32, 10, 50_000, 10_000)
    job = workload.distillation(found, Cell("cifar10", 1, "dm"), 0, cifar10, torch.device("cpu"))
    config = workload.plan.set_config(found, Cell("cifar10", 1, "dm"), 0)
    # The two largest maps of a class's real batch
    assert job.step == own.peak(config, cifar10) > 2 * 256 * 128 * 32 * 32 * 4
    assert largest(job, torch.device("cuda")) == job.step and largest(job, torch.device("cpu")) == round(1.7 * job.step)
    assert workload.distillation(found, Cell("cifar10", 1, "idc"), 0, cifar10, torch.device("cpu")).step == 0


def test_the_estimate_says_of_which_kernel_it_knows_too_little():
    found = tiny.params()
    asked = {"tables": {"main": {"datasets": ["mnist"], "ipc": [1], "variants": ["kip"]}}, "figures": {}}
    assert not report.convolutional_kip(found | asked)
    assert report.convolutional_kip(found | asked | {"kip": found["kip"] | {"kernel": "convolutional"}})


@pytest.fixture
def nothing_known(tmp_path, monkeypatch):
    """Neither this process nor an earlier one has counted a step; what is counted now is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(own, "kept", keeping.kept)
    monkeypatch.setattr(own, "keep", keeping.keep)
    own.known.cache_clear()
    return tmp_path / "udd" / "steps"


def test_a_step_is_counted_once_for_all_seeds_and_data_sets_of_one_shape(nothing_known):
    made, shape = tiny.of_method("dm"), Sizes(3, 8, 3, 21, 6)
    found = [
        own.step_cost(made | change, sizes)
        for change in ({}, {"seed": 1}, {"variant": "other"})
        for sizes in (shape, shape._replace(train=9))
    ]
    assert own.known.cache_info().misses == 1 and len(set(found)) == 1
    assert own.step_cost(made | {"ipc": 3}, shape) != found[0]


def test_another_process_finds_the_count_and_a_spoilt_one_is_made_again(nothing_known, monkeypatch, capsys):
    made, shape = tiny.of_method("dm"), Sizes(3, 8, 3, 21, 6)
    first = own.step_cost(made, shape)
    assert "counting a step of dm" in capsys.readouterr().err
    kept = next(nothing_known.iterdir())
    whole = kept.read_text()
    for text in (whole, "{", '{"flop": 1}', '{"flop": null, "bytes": null}', '{"flop": [], "bytes": {}}', "[]"):
        kept.write_text(text)
        own.known.cache_clear()
        assert own.step_cost(made, shape) == first
        assert ("counting" in capsys.readouterr().err) == (text != whole)
    for name, other in (("code_digest", lambda module: module), ("meets_cache", lambda config: None)):
        monkeypatch.setattr(own, name, other)
        own.known.cache_clear()
        before = len(list(nothing_known.iterdir()))
        assert own.step_cost(made, shape) == first and len(list(nothing_known.iterdir())) == before + 1
