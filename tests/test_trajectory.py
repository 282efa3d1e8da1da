"""The networks' side of Algorithm 1: what it depends on, its real batches, its training."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from runs import Run
from tiny import config, dataset, of_method, options

from udd.config.caches import cache_config
from udd.proxies.fresh import class_index, new_network, real_batches, start, train_network


def test_the_trajectory_depends_on_nothing_that_concerns_the_images():
    cases: list[dict[str, Any]] = [{}, {"ipc": 1, "policy": "vote", "cfc": False, "image_lr": 0.1}, {"seed": 1}]
    data = dataset()
    runs = [Run(config(**changes), data) for changes in cases]
    for run in runs:
        for _ in range(run.total):
            run.advance(False)
    weights = [torch.cat([weight.flatten() for weight in run.trajectory.network.parameters()]) for run in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_cache_is_known_by_what_its_networks_see():
    part = cache_config(config(networks="cached"))["distill"]
    assert {
        "network",
        "width",
        "batch_real",
        "matching_augment",
        "net_lr",
        "cutmix_p",
        "cache_ages",
        "cache_seed",
    } <= part.keys()
    assert (
        not {
            "policy",
            "selected",
            "image_lr",
            "cfc",
            "init",
            "distance",
            "matched",
            "outer",
            "networks",
            "cache_networks",
        }
        & part.keys()
    )


def test_real_batches_are_of_their_class_and_cover_it():
    data = dataset(count=20)  # 7, 7 and 6 images a class
    index, trajectory = class_index(data.train_labels, 3), start(data, options(), 0)
    assert index[1].tolist() == [7, 7, 6]
    seen: list[set[int]] = [set(), set(), set()]
    for _ in range(30):
        images, draws = real_batches(trajectory, data, index, options())
        assert images.dtype == torch.uint8 and images.shape == (3, 5, 3, 8, 8)
        assert draws["color"].shape == (3, 3) and draws["affine"].shape == (3, 3, 3)
        for label in range(3):
            seen[label] |= {i for image in images[label] for i in range(20) if torch.equal(image, data.train_images[i])}
    assert [sorted(of_class) for of_class in seen] == [[i for i in range(20) if i % 3 == label] for label in range(3)]


@pytest.mark.parametrize(("batch", "expected"), [(6, {1}), (7, {1, 2}), (12, {2}), (20, {3, 4}), (5, None)])
def test_a_class_no_larger_than_the_batch_is_taken_whole(batch, expected):
    """Of six images a class each as often as another, or once more; of a batch that is smaller than the class they are
    random, with replacement."""
    data = dataset(count=18)
    index, trajectory = class_index(data.train_labels, 3), start(data, options(batch_real=batch), 0)
    often: list[list[int]] = []
    for _ in range(20):
        images, _ = real_batches(trajectory, data, index, options(batch_real=batch))
        for label in range(3):
            often.append(
                [sum(torch.equal(image, data.train_images[i]) for image in images[label]) for i in range(label, 18, 3)]
            )
    assert all(sum(counts) == batch for counts in often)
    assert (
        {count for counts in often for count in counts} == expected
        if expected
        else 3 in {count for counts in often for count in counts}
    )
    if expected and len(expected) > 1:  # each image is at times the one that comes once more
        assert all(max(counts[i] for counts in often) == max(expected) for i in range(6))


@pytest.mark.parametrize(("images", "steps"), [(0, 0), (1, 1), (4, 1), (6, 2), (50, 13)])
def test_the_network_takes_as_many_steps_of_its_recipe_as_its_images_make_batches(images, steps, monkeypatch):
    seen = []

    def step(network, optimizer, batch, labels, recipe, mean, std, *_):
        seen.append(batch)
        assert (mean.tolist(), std.tolist()) == (pytest.approx(data.mean), pytest.approx(data.std))
        assert recipe["augment"] == section["net_augment"] != []
        assert all(recipe[key] == section[key] > 0 for key in ("cutmix_p", "cutmix_beta"))
        asked = {key: section[f"net_{key}"] for key in ("lr", "momentum", "weight_decay")}
        assert asked.items() <= optimizer.param_groups[0].items() and all(asked.values())
        assert torch.equal(
            labels,
            torch.tensor(
                [next(i % 3 for i in range(21) if torch.equal(image, data.train_images[i])) for image in batch]
            ),
        )

    data, section = dataset(), options()
    assert data.mean != data.std
    monkeypatch.setattr("udd.proxies.fresh.sgd_step", step)
    train_network(start(data, section, 0), data, section, images)
    assert [len(batch) for batch in seen] == [4] * steps
    if steps == 2:
        assert len(torch.cat(seen).unique(dim=0)) == 8  # none twice before all were seen


def test_a_step_meets_the_network_before_its_training_on_real_images(monkeypatch):
    data, met = dataset(), []
    run = Run(config(outer=1), data)
    real = run.method.step

    def step(state, meeting, made):
        met.append([weights.detach().clone() for weights in meeting.network.parameters()])
        return real(state, meeting, made)

    monkeypatch.setattr(run.method, "step", step)
    run.advance(False)
    anew = start(data, run.options, 0)
    new_network(anew, data, run.options)
    assert all(map(torch.equal, met[0], anew.network.parameters()))
    assert not all(map(torch.equal, met[0], run.trajectory.network.parameters()))


@pytest.mark.parametrize("name", ["udd", "dsa"])
def test_every_inner_steps_a_new_network_begins(name):
    """Which trains on nothing here."""
    made = of_method(name, net_images=0, outer=3, inner=2)
    run = Run(made | ({"dsa": made["dsa"] | {"net_epochs": 0}} if name == "dsa" else {}), dataset())
    first = []
    for _ in range(6):
        run.advance(False)
        first.append(next(run.trajectory.network.parameters()).detach().clone())
    assert [torch.equal(*pair) for pair in pairwise(first)] == [True, False, True, False, True]


def test_a_new_network_is_random_and_trained_beforehand_if_asked(monkeypatch):
    data = dataset()
    trajectory = start(data, options(), 0)
    before = [weight.detach().clone() for weight in trajectory.network.parameters()]
    new_network(trajectory, data, options())
    assert not torch.equal(before[0], next(iter(trajectory.network.parameters())))
    assert not trajectory.optimizer.state
    counted = []
    monkeypatch.setattr(
        "udd.proxies.fresh.sgd_step", lambda network, optimizer, batch, *rest: counted.append(len(batch))
    )
    new_network(trajectory, data, options(pretrain_epochs=2))
    assert sum(counted) == 44  # 42 images, in whole batches of 4
