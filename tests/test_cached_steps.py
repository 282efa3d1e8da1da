"""What a step meets of a cache: at random and the same again, nothing real computed; half precision does not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from caches import CACHE, CONFIG, made, one_of_each
from references import slow_augment, standardised
from tiny import config, dataset, network, noise, of_method
from torch import Tensor

from udd.methods.udd import candidates
from udd.networks import augment
from udd.networks.streams import stream
from udd.objectives.execution import EAGER
from udd.objectives.matching import Target, Work, matching_step, mean_features, real_gradient
from udd.proxies import cached, fresh
from udd.runs import loop
from udd.synthetic.regions import training_pairs


def test_a_step_towards_a_given_target_is_the_step_towards_the_real_batch():
    """In float64, to the last bit but for sums in another order; with the wrong class's target it is another."""
    model, images, real = network(), noise(3, 2, 3, 8, 8, seed=1), noise(3, 5, 3, 8, 8, seed=2)
    mean, std = torch.full((3,), 0.4, dtype=torch.float64), torch.full((3,), 0.3, dtype=torch.float64)
    own = CONFIG["udd"] | {"cfc": False}
    among = candidates(images, own)
    pairs = training_pairs(torch.arange(12).expand(3, 2, 12), among, 128, stream("cpu", "pairs"))
    work = Work(images, pairs, among, torch.zeros(3, model.classifier.in_features, dtype=torch.float64), own)
    draws = augment.draw(CONFIG["distill"]["matching_augment"], 3, 8, stream("cpu", "draws"), torch.float64)
    given = (draws, mean, std)
    each = [real_gradient(model, real[c], c, augment.pick(draws, c), mean, std, "all", EAGER) for c in range(3)]
    gradients = tuple(torch.stack(of_weight) for of_weight in zip(*each, strict=True))
    expected = matching_step(model, work, real, *given)
    found = matching_step(model, work, real[:0], *given, given=Target(gradients, torch.zeros(3, 1)))
    assert torch.allclose(found.gradient, expected.gradient, rtol=1e-12) and torch.allclose(
        found.loss_gradient, expected.loss_gradient, rtol=1e-12
    )
    wrong = matching_step(
        model, work, real[:0], *given, given=Target(tuple(each.flip(0) for each in gradients), torch.zeros(3, 1))
    )
    assert not torch.allclose(wrong.gradient, expected.gradient, rtol=0.1)


class Cached(loop.Distillation):
    """A run that meets a cache, step by step, without files of its own."""

    def __init__(self, found: dict[str, Any], data: Any, folder: Path):
        super().__init__(found, data, Path("no checkpoint"), folder, "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The cache of CONFIG."""
    return made(tmp_path_factory.mktemp("cache"), CONFIG, dataset())


def met(folder: Path, monkeypatch, **changes: Any) -> list[tuple[str, int, int]]:
    """(file, age, draw) of each step of a run."""
    found: list[tuple[str, int, int]] = []
    recall = cached.recall

    def noted(path: Path, model: Any, age: int, draw: int) -> Any:
        found.append((path.name, age, draw))
        return recall(path, model, age, draw)

    monkeypatch.setattr(cached, "recall", noted)
    run = Cached(config(**CACHE, **changes), dataset(), folder)
    for _ in range(run.total):
        run.advance(False)
    monkeypatch.undo()
    return found


def test_every_network_age_and_draw_is_met_about_as_often(folder, monkeypatch):
    found = met(folder, monkeypatch, outer=30, inner=4, policy="random", cfc=False, ipc=1)
    counts = [found.count(each) for each in sorted(set(found))]
    assert len(counts) == 2 * 3 * 2 and min(counts) >= 3 and max(counts) <= 19  # 10 expected; three standard deviations


def test_ablations_meet_the_same_and_another_seed_does_not(folder, monkeypatch):
    one = met(folder, monkeypatch)
    assert one == met(folder, monkeypatch, policy="all", ipc=1, cfc=False) != met(folder, monkeypatch, seed=1)


@pytest.mark.parametrize("method", ["udd", "idc", "dm"])
def test_nothing_real_is_computed(folder, monkeypatch, method):
    """No network is trained, and no real image passes through one."""

    def never(*_args: Any) -> None:
        raise AssertionError("computed again")

    for name in (
        "udd.proxies.fresh.train_network",
        "udd.runs.loop.real_batches",
        "udd.objectives.matching.real_gradient",
    ):
        monkeypatch.setattr(name, never)
    found = of_method(method)
    run = Cached(found | {"distill": found["distill"] | CACHE}, dataset(), folder)
    assert run.advance(True)["loss"].isfinite().all()


def test_the_moving_average_starts_anew_from_the_current_features_at_each_meeting(folder):
    """With alpha all but 1 it stays where it started (Eq. 8): the mean features of the images as they were, by the
    network of this very step."""
    found = config(**CACHE, policy="all", cfc_average=1 - 1e-9, outer=2, inner=3)
    run = Cached(found, dataset(), folder)
    among = candidates(run.state.images, found["udd"])
    everything = torch.arange(12).expand(3, 2, 12)
    for _ in range(run.total):
        before = run.state.images
        run.advance(False)
        pairs = training_pairs(everything, among, 128, stream("cpu", "pairs"))
        expected = mean_features(run.trajectory.network, before, pairs, among, run.mean, run.std)
        assert torch.allclose(run.state.averages, expected, rtol=1e-4, atol=1e-5)


def test_dm_meets_the_stored_features(tmp_path):
    """Its loss against float64: mean features of synthetic images under the stored draw, and of the
    one real image of a class."""
    found = of_method("dm")
    found = found | {"distill": found["distill"] | CACHE}
    data = one_of_each()
    run = Cached(found, data, made(tmp_path, found, data))
    run.state = run.state._replace(images=noise(3, 2, 3, 8, 8).float())  # not the real images, where the loss is 0
    before = run.state.images.double()
    met = run.meeting(False)
    run.state, scalars = run.method.step(run.state, met, found)
    model = met.network.double()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (data.mean, data.std))

    def feature(image: Tensor, label: int) -> Tensor:
        own = {name: values[label].double() for name, values in met.draws.items()}
        return model.features(slow_augment(standardised(image, mean, std), own).unsqueeze(0))[1][0]

    for label in range(3):
        ours = torch.stack([feature(image, label) for image in before[label]]).mean(0)
        expected = (ours - feature(data.train_images[label].double() / 255, label)).square().sum().item()
        assert scalars["loss"][label].item() == pytest.approx(expected, rel=0.02)


def test_half_precision_does_not_show_beside_the_choice_of_the_batch(tmp_path):
    """The image gradient towards the stored target and towards the same one in full precision: a hundredth of what
    another batch makes of it."""
    found, data = config(**CACHE, policy="all", cfc=False, batch_real=5), dataset()
    run = Cached(found, data, made(tmp_path, found, data))
    index = fresh.class_index(data.train_labels, 3)
    path = cached.member_path(tmp_path, 1)
    draws, stored = cached.recall(path, run.trajectory.network, 2, 0)
    at = run.trajectory
    targets = []
    for draw in (0, 1):
        at.draws = stream("cpu", "real", data.name, "convnet3", 0, 1, 2, draw)
        real, _ = fresh.real_batches(at, data, index, found["distill"])
        each = [
            real_gradient(at.network, real[c], c, augment.pick(draws, c), run.mean, run.std, "all", EAGER)
            for c in range(3)
        ]
        targets.append(Target(tuple(torch.stack(of_weight) for of_weight in zip(*each, strict=True)), stored.features))
    exact, rounded, other = (step_towards(run, draws, target) for target in (targets[0], stored, targets[1]))
    assert (rounded - exact).norm() < 0.01 * (other - exact).norm()


def step_towards(run: loop.Distillation, draws: augment.Draws, target: Target) -> Tensor:
    """The gradient on the pixels of the run's images towards a target."""
    own = run.config["udd"]
    among = candidates(run.state.images, own)
    pairs = training_pairs(torch.arange(12).expand(3, 2, 12), among, 128, stream("cpu", "pairs"))
    work = Work(run.state.images, pairs, among, torch.zeros(3, run.trajectory.network.classifier.in_features), own)
    return matching_step(
        run.trajectory.network, work, run.state.images[:0], draws, run.mean, run.std, given=target
    ).gradient
