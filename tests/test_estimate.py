"""The estimate: operations by hand, bytes on real tensors, schedules against runs that are counted."""

from collections import Counter

import pytest
import tiny
import torch
from runs import Run
from tiny import ROOT, params
from torch.utils.flop_counter import FlopCounterMode

from udd.config.params import overlay
from udd.config.plan import Cell
from udd.costs import schedule, workload
from udd.costs.calibration import Pace, pace_key
from udd.costs.costs import alone, costs
from udd.costs.flops import counted, flop
from udd.costs.memory import Live, followed
from udd.costs.sizes import Sizes, sizes
from udd.costs.steps import KINDS, Model, Step, bench, new_network
from udd.data import read_manifest
from udd.errors import UserError
from udd.evaluation.accuracy import TrainingSet
from udd.evaluation.records import result
from udd.files import write_json
from udd.objectives.execution import planned_flop
from udd.runs import loop
from udd.runs.cache import fill

CPU = torch.device("cpu")
TINY = Model("convnet3", 4, 3, 8, 5)
PAPER = Model("convnet3", 128, 3, 32, 10)


def convolutions(width: int, side: int) -> tuple[int, int, int]:
    """The FLOP of ConvNet-3's convolutions for one image of three channels: 2 x 9 x
    channels in x channels out x pixels."""
    return tuple(2 * 9 * given * width * (side // halved) ** 2 for given, halved in ((3, 1), (width, 2), (width, 4)))  # type: ignore[return-value]


@pytest.mark.parametrize("architecture", ["convnet3", "vgg11", "alexnet", "resnet18", "resnetap10"])
def test_a_real_networks_count_is_that_of_one_without_memory(architecture):
    model = Model(architecture, 8, 3, 32, 5)
    assert schedule.image_flop(model) == flop(Step("forward", model, 1)) > 0


@pytest.mark.parametrize("images", [1, 5])
def test_operations_are_those_counted_by_hand(images):
    first, second, third = convolutions(4, 8)
    others, linear, enlarging = second + third, 2 * 4 * 5, 2 * 2 * 3 * 8**3
    expected = {
        "forward": first + others + linear,
        # No gradient on the pixels, and none on the linear layer's weights
        "real": 2 * first + 3 * others + 2 * linear,
        "train": 2 * first + 3 * others + 3 * linear,
        "saliency": 2 * (first + others + linear),
        # Forward, gradients of weights and activations; their own gradients, twice (torch: thrice) as many; the
        # forward's, on to the pixels.
        "synthetic": 5 * first + 8 * others + 5 * linear + 2 * enlarging,
    }
    assert {kind: flop(Step(kind, TINY, images)) for kind in KINDS} == {
        kind: images * value for kind, value in expected.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_adds_as_many_operations(kind):
    step = Step(kind, Model("resnetap10", 8, 1, 16, 3), 7)
    assert flop(step) == counted(step)


def test_the_papers_sizes_are_those_of_the_analysis():
    assert flop(Step("forward", PAPER, 1)) == pytest.approx(0.10e9, rel=0.02)
    assert (
        flop(Step("real", PAPER, 64))
        == flop(Step("train", PAPER, 64)) - 64 * 2 * 2048 * 10
        == pytest.approx(19e9, rel=0.01)
    )
    assert flop(Step("synthetic", PAPER, 90)) / 90 == pytest.approx(0.8e9, rel=0.02)
    cifar10 = sizes(params(), "cifar10", "nowhere")
    job = workload.distillation(params(), Cell("cifar10", 10, "udd"), 0, cifar10, CPU)
    assert alone([job], paid(job), CPU).flop == pytest.approx(300e15, rel=0.1)


def paid(*found: workload.Workload) -> dict[Step, Pace]:
    """A speed for every step of the jobs: a second a step and two an image."""
    return {pace_key(step): Pace(1, 2) for job in found for step in job.own | job.shared}


def test_live_bytes_are_followed_until_they_are_freed():
    with Live() as live:
        first = torch.zeros(1000)
        second = first.view(10, 100)[3:] + 1
        assert (live.now, live.peak) == (6800, 6800)
        del first
        assert (live.now, live.peak) == (2800, 6800)
        second.mul_(2)
        third = torch.cat([second, second])
        assert (live.now, live.peak) == (2800 + 5600, 2800 + 5600)
    del second, third
    assert live.now == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [TINY, Model("resnet18", 8, 1, 16, 3)])
def test_tensors_without_memory_take_as_much_as_real_ones(kind, model):
    step = Step(kind, model, 6)
    assert followed(step) == pytest.approx(followed(step, fake=False), rel=0.01)


def test_whether_steps_are_compiled_is_decided_as_a_distillation_does(monkeypatch):
    seen = []
    monkeypatch.setattr(schedule, "pays", lambda *asked: seen.append(asked) or True)
    options, image = params()["distill"], torch.zeros(1, 3, 32, 32)
    job = workload.distillation(params(), Cell("cifar10", 1, "udd"), 0, sizes(params(), "cifar10"), CPU)
    assert seen == [("auto", planned_flop(options, new_network(PAPER, CPU), image, 10), CPU)]
    assert {step.kind for step in job.own | job.shared if step.compiled} == {"synthetic", "real", "train"}


def test_a_forward_pass_needs_the_two_largest_maps():
    one, many = (followed(Step("forward", PAPER, images)) for images in (1, 11))
    largest = 128 * 32 * 32 * 4
    assert (many - one) / 10 == pytest.approx(2 * largest, rel=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "idc"},
        {"decode": "windows"},
        {"policy": "vote"},
        {"policy": "all", "max_pairs": 7, "cfc": False},
        {"pretrain_epochs": 2},
    ],
)
def test_a_distillation_takes_the_operations_that_are_foretold(changes):
    config, data = tiny.config(**changes), tiny.dataset()
    options = config["distill"]
    run = Run(config, data)
    with FlopCounterMode(display=False) as counter:
        for _ in range(options["outer"] * options["inner"]):
            run.advance(False)
    small = Sizes(3, 8, 3, 21, 6)
    steps = schedule.together(schedule.own_steps(config, small, False), schedule.shared_steps(options, small, False))
    # Beside it, a network this small sees its own building
    assert total(steps) == pytest.approx(counter.get_total_flops(), rel=0.04)


def total(steps: schedule.Steps) -> int:
    """The operations of all steps."""
    return sum(count * flop(step) for step, count in steps.items())


def tiny_params(**changes):
    """Parameters in which the data set `tiny` and everything else is small."""
    small = {"tables": {}, "figures": {}, "datasets": {"tiny": {"kind": "npz"}}, "distill": tiny.options()}
    return overlay(params() | small, changes)


def test_an_evaluation_takes_the_operations_that_are_foretold():
    found = tiny_params(evaluate={"width": 4, "epochs": 5, "batch": 4, "precision": "bfloat16"}) | {
        "seeds": {"distill": [0], "evaluate": [0, 1, 2]}
    }
    record = workload.plan.Record(Cell("tiny", 2, "random"), 0, "idc", "convnet3")
    config, data = workload.plan.evaluation_config(found, record), tiny.dataset()
    with FlopCounterMode(display=False) as counter:
        for network in found["seeds"]["evaluate"]:
            result(
                config | {"network": network},
                data,
                TrainingSet(data.train_images[:6], data.train_labels[:6], None, 6),
                CPU,
            )
    job = workload.evaluation(found, record, Sizes(3, 8, 3, 21, 6), CPU)
    # Beside it, a network this small sees its own building
    assert total(job.own) == pytest.approx(counter.get_total_flops(), rel=0.04)
    assert {step.images for step in job.own} == {4, 2, 6} and {step.precision for step in job.own} == {"bfloat16"}


@pytest.mark.parametrize(
    ("variant", "regions", "images"),
    [
        ("udd", "searched", 54),
        ("udd", "all", 78),
        ("udd", "none", 6),
        ("idc", "all", 24),
        ("herding", "all", 6),
        ("random-x4", "all", 24),
    ],
)
def test_an_evaluation_trains_on_the_windows_too(variant, regions, images):
    config = workload.plan.set_config(params(), Cell("mnist", 2, variant), 0)
    assert workload.training_images(config, regions, Sizes(1, 28, 3, 100, 10)) == images


def test_a_cache_and_what_meets_it_take_the_operations_that_are_foretold(tmp_path):
    cache = {"networks": "cached", "cache_networks": 1, "cache_ages": 3, "cache_spacing": 2, "cache_draws": 2}
    made, data, small = tiny.config(**cache, pretrain_epochs=1, policy="all"), tiny.dataset(), Sizes(3, 8, 3, 21, 6)
    with FlopCounterMode(display=False) as counter:
        fill(tmp_path, made, data, [0], "")
    (job,) = workload.cache(made, small, CPU)
    assert total(job.own) == pytest.approx(counter.get_total_flops(), rel=0.04)
    run = loop.Distillation(made, data, tmp_path / "none", tmp_path, "")
    with FlopCounterMode(display=False) as counter:
        for _ in range(run.total):
            run.advance(False)
    assert total(schedule.own_steps(made, small, False)) == pytest.approx(counter.get_total_flops(), rel=0.04)


def test_a_caches_networks_are_jobs_of_their_own_for_all_seeds():
    found = overlay(
        params(),
        {
            "distill": {"networks": "cached", "cache_networks": 7},
            "tables": {"policy": {"datasets": ["mnist"], "ipc": [1, 10]}},
        },
    )
    found |= {"tables": {"policy": found["tables"]["policy"]}, "figures": {}}
    made = workload.workloads(found, {"mnist": sizes(found, "mnist", "nowhere")}, CPU)
    assert [job.kind for job in made].count("cache") == 7
    assert {tuple(job.shared) for job in made if job.kind == "distil"} == {()}
    fresh = workload.workloads(
        found | {"distill": found["distill"] | {"networks": "fresh"}}, {"mnist": sizes(found, "mnist", "nowhere")}, CPU
    )
    assert not [job for job in fresh if job.kind == "cache"]


def test_the_utilization_of_a_coreset_is_that_of_all_its_images():
    """Random, four times as many a class, stores as many."""
    given = {"mnist": sizes(params(), "mnist", "nowhere")}
    one, four = (
        workload.measurement(params(), Cell("mnist", 10, name), given["mnist"], CPU) for name in ("random", "random-x4")
    )
    assert four.held == 4 * one.held


def test_what_a_step_takes_is_measured_without_a_draw_of_the_callers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    bench(Step("matching", TINY, 4), CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_set_and_record_of_the_plan_is_one_job(monkeypatch):
    monkeypatch.setattr("udd.costs.costs.flop", lambda step: step.images)
    monkeypatch.setattr("udd.costs.costs.taken", lambda step, device: step.images)
    found = params()
    made = workload.workloads(found, {name: sizes(found, name, "nowhere") for name in found["datasets"]}, CPU)
    kinds = Counter(job.kind for job in made)
    assert kinds["evaluate"] == len(workload.requested.all_records(found))
    cells = [cell for cell in workload.requested.all_cells(found) if cell.ipc != "all"]
    assert kinds["distil"] + kinds["coreset"] == 3 * len(cells)
    priced = costs(made, paid(*made), CPU)
    assert {kind for kind, _ in priced} > {"distil", "coreset", "evaluate", "proxies", "utilization"}
    assert list(priced.values())[-1].jobs == len(made)


def test_sizes_come_from_the_manifest_else_as_published(tmp_path):
    assert sizes(params(), "cifar100", tmp_path) == Sizes(3, 32, 100, 50_000, 10_000)
    assert sizes(params(), "imagenet10", tmp_path).side == 224
    own = overlay(params(), {"datasets": {"own": {"kind": "npz"}}, "results": "there"})
    with pytest.raises(UserError, match=r"there/data/own.json: no manifest of own, so its size is unknown"):
        sizes(own, "own", tmp_path)
    manifest = read_manifest(ROOT / "results/cpu/data/mnist.json")
    write_json(tmp_path / "there/data/own.json", manifest | {"config": {"name": "own", "kind": "npz"}})
    assert sizes(own, "own", tmp_path) == Sizes(1, 28, 10, 60_000, 10_000)
