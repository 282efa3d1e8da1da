"""First-order objectives and the methods that live by them (DANCE, NCFM, UDD-features): against slow references in float64, and what they lower."""

from __future__ import annotations

import cmath
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run
from tiny import dataset, network, noise, of_method

from udd.config.caches import check_networks
from udd.errors import UserError
from udd.methods import alignment, dance, ncfm, udd_features
from udd.methods.updates import adam_step, momentum_step
from udd.networks import augment
from udd.networks.streams import stream
from udd.objectives import features
from udd.objectives.execution import EAGER
from udd.objectives.gradients import Embedding
from udd.objectives.matching import Target
from udd.proxies import cached
from udd.proxies.meeting import Meeting
from udd.synthetic.regions import all_windows, decode, grid_windows, training_pairs

METHODS = ["dance", "ncfm", "udd-features"]


def small(name: str, **changes: Any) -> dict[str, Any]:
    """A method's configuration for the data set `tiny`; few frequencies for NCFM."""
    found = of_method(name, **({"batch_real": 5} | changes))
    return found | ({"ncfm": found["ncfm"] | {"frequencies": 32}} if name == "ncfm" else {})


# --- the objectives ---


def test_the_mean_distance_is_the_sum_of_squares_of_the_differences_of_means():
    embeddings, means = noise(2, 3, 4), noise(2, 4, seed=1)
    for c in range(2):
        expected = sum((sum(embeddings[c, q, d].item() for q in range(3)) / 3 - means[c, d].item()) ** 2 for d in range(4))
        assert features.mean_distance(embeddings, means)[c].item() == pytest.approx(expected, rel=1e-12)


def function_at(frequency: torch.Tensor, points: torch.Tensor) -> complex:
    """The empirical characteristic function of points [Q, D] at one frequency [D], the definition."""
    return sum(cmath.exp(1j * sum(t * x for t, x in zip(frequency.tolist(), point.tolist(), strict=True))) for point in points) / len(points)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_the_characteristic_distance_is_that_of_its_definition(seed, ours_count, real_count):
    ours, real, frequencies = noise(1, ours_count, 3, seed=seed) - 0.5, noise(1, real_count, 3, seed=seed + 1) - 0.5, 3 * noise(5, 3, seed=seed + 2)
    target = [*features.characteristic(F.normalize(real, dim=2), frequencies), frequencies.unsqueeze(0)]
    found = features.characteristic_distance(ours, *target).item()
    expected = 0.0
    for frequency in frequencies:
        a, b = (function_at(frequency, F.normalize(points[0], dim=1)) for points in (ours, real))
        amplitude, phase = (abs(a) - abs(b)) ** 2, 2 * (abs(a) * abs(b) - (a * b.conjugate()).real)
        expected += 300 * (0.5 * amplitude + 0.5 * phase) ** 0.5 / len(frequencies)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-3)  # 1e-12 under the root


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_the_characteristic_distance_sees_sets_and_not_their_order(seed, order):
    points, frequencies = noise(1, 4, 3, seed=seed) - 0.5, noise(6, 3, seed=seed + 1)
    target = [*features.characteristic(F.normalize(points, dim=2), frequencies), frequencies.unsqueeze(0)]
    assert features.characteristic_distance(points[:, list(order)], *target).item() == pytest.approx(0, abs=1e-3)
    real, imaginary = features.characteristic(points, frequencies)
    assert (real**2 + imaginary**2 <= 1 + 1e-12).all()


def meeting(model, images: int = 3) -> Meeting:
    """What a step meets, in float64."""
    draws = augment.draw(["color", "crop", "cutout"], 3, 8, stream("cpu", "draws"), torch.float64)
    mean, std = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64), torch.tensor([0.2, 0.25, 0.3], dtype=torch.float64)
    random = stream("cpu", "some")
    return Meeting(model, noise(3, images, 3, 8, 8, seed=9), draws, mean, std, random, random, EAGER, 0, 0, logged=False, anew=True)


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.0, 0.7), (1.0, 0.7)])
@pytest.mark.parametrize("kind", ["means", "characteristic"])
def test_the_alignment_is_that_of_one_class_after_the_other(kind, shares):
    """Against autograd through each class alone: decoded, augmented and embedded by itself."""
    model, images = network(), noise(3, 2, 3, 8, 8)
    met, among = meeting(model), grid_windows(8, 2, images)
    pairs = training_pairs(all_windows(images, among), among, 5, met.generator)  # five of the eight
    if kind == "means":
        target, distance = [noise(3, model.classifier.in_features, seed=3)], features.mean_distance
    else:
        target, distance = ncfm.real_functions(met, noise(7, model.classifier.in_features, seed=3)), features.characteristic_distance
    found = alignment.alignment(model, images, pairs, among, target, shares, distance, met)
    for c in range(3):
        pixels = images[c].clone().requires_grad_()
        views = []
        for image, window in pairs[c].tolist():
            top, left, height, width = among.boxes[window].tolist()
            crop = pixels[image : image + 1, :, top : top + height, left : left + width]
            views.append(F.interpolate(crop, (8, 8), mode="bilinear", align_corners=False))
        inputs = augment.apply(augment.normalise(torch.cat(views), met.mean, met.std), augment.pick(met.draws, c))
        embeddings = model.features(inputs)[1]
        apart = distance(embeddings.unsqueeze(0), *(each[c : c + 1] for each in target))[0]
        entropy = F.cross_entropy(model.classifier(embeddings), torch.full((5,), c))
        (expected,) = torch.autograd.grad(shares[0] * apart + shares[1] * entropy, pixels)
        torch.testing.assert_close(found.gradient[c], expected, rtol=1e-7, atol=1e-10)
        torch.testing.assert_close((found.distance[c], found.cross_entropy[c]), (apart.detach(), entropy.detach()))


def test_classes_in_groups_give_what_they_give_together(monkeypatch):
    model, images = network(), noise(3, 2, 3, 8, 8)
    met, among = meeting(model), grid_windows(8, 2, images)
    pairs, target = training_pairs(all_windows(images, among), among, 128, met.generator), [noise(3, model.classifier.in_features)]
    given = (pairs, among, target, (1.0, 1.0), features.mean_distance, met)
    whole, real = alignment.alignment(model, images, *given), alignment.real_embeddings(model, met)
    monkeypatch.setattr(alignment, "images_at_once", lambda side: 9)
    assert alignment.groups(3, 8, 8) == [range(1), range(1, 2), range(2, 3)]
    for one, other in zip(whole, alignment.alignment(model, images, *given), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(real, alignment.real_embeddings(model, met))


def test_real_embeddings_are_those_of_the_augmented_batch():
    model = network()
    met = meeting(model)
    for c in range(3):
        inputs = augment.apply(augment.normalise(met.real[c], met.mean, met.std), augment.pick(met.draws, c))
        torch.testing.assert_close(alignment.real_embeddings(model, met)[c], model.features(inputs)[1].detach())


# --- how pixels follow ---


def test_updates_are_those_of_torch():
    start, gradients = noise(2, 3), [noise(2, 3, seed=seed) - 0.5 for seed in range(1, 6)]
    for kind, options in (("SGD", {"momentum": 0.5}), ("Adam", {})):
        theirs = start.clone().requires_grad_()
        optimizer = getattr(torch.optim, kind)([theirs], lr=0.1, **options)
        ours, moments = start.clone(), (torch.zeros_like(start), torch.zeros_like(start))
        for count, gradient in enumerate(gradients, 1):
            theirs.grad = gradient.clone()
            optimizer.step()
            if kind == "SGD":
                ours, velocity = momentum_step(ours, moments[0], gradient, 0.1, 0.5)
                moments = (velocity, velocity)
            else:
                ours, moments = adam_step(ours, moments, gradient, 0.1, count)
        torch.testing.assert_close(ours, theirs.detach())


# --- the methods ---


def test_an_expert_is_the_stored_network_and_lies_between_its_ages():
    run = Run(small("dance"), dataset())
    met = run.meeting(False)
    (start, end), share = dance.ends(met, run.config), met.share
    dance.load(met.network, start, end, share)
    for weight, one, other in zip(met.network.parameters(), start, end, strict=True):
        assert torch.equal(weight, share * one + (1 - share) * other) and not torch.equal(one, other)
    assert run.cache
    stored = [[cached.weights(run.cache, met.network, member, age) for age in (0, 2)] for member in range(2)]
    assert any(all(map(torch.equal, (*start, *end), (*first, *last))) for first, last in stored)
    met = [run.meeting(False).expert(0)[0] for run.trajectory.inner in range(30)]
    assert {torch.equal(each, stored[0][0][0]) for each in met} == {True, False}  # both networks, in thirty draws


def test_a_cache_of_weights_alone_holds_them_and_nothing_else(tmp_path):
    data, given = dataset(), {"batch_real": 5}
    runs = [Run(small("dance", cache_draws=draws, **given), data) for draws in (0, 1)]
    folders, model = [run.cache for run in runs if run.cache], runs[0].trajectory.network
    for a, b in zip(*(cached.weights(folder, model, 1, 2) for folder in folders), strict=True):
        assert torch.equal(a, b)
    sizes = [cached.member_path(folder, 0).stat().st_size for folder in folders]
    assert sizes[0] < sizes[1] - 2 * 3 * 3 * 500  # three ages of three classes, 500 gradients each


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("scalar", ["loss", "cross_entropy"])
def test_a_method_lowers_what_it_descends_on(name, scalar):
    """On one network, of one age, without augmentation."""
    quiet = {"matching_augment": [], "outer": 1, "inner": 60, "cache_networks": 1, "cache_ages": 1, "image_lr_decay_at": [], "batch_real": 21}
    made = small(name, ipc=1, **(quiet | {"image_lr": {"dance": 50.0, "ncfm": 0.02, "udd-features": 0.02}[name]}))
    section, calibration = name.replace("-", "_"), {"dance": 5.0, "ncfm": 1e5, "udd-features": 100.0}[name] * (scalar == "cross_entropy")
    run = Run(made | {section: made[section] | {"calibration": calibration}}, dataset(side=8, count=3))
    values = [run.advance(False)[scalar].mean().item() for _ in range(60)]
    assert sum(values[-3:]) < {"loss": 0.7, "cross_entropy": 0.97}[scalar] * sum(values[:3])


@pytest.mark.parametrize("name", ["dance", "ncfm"])
def test_a_step_is_that_of_the_two_views_on_two_networks(name, monkeypatch):
    """The distance by the network between two ages, the cross-entropy by the last one; images clamped before, and followed at the method's rate."""
    run, seen = Run(small(name, image_lr=0.3, image_momentum=0.5, image_lr_decay_at=[0.5]), dataset()), []
    module, original = run.method, alignment.alignment

    def spied(model, images, pairs, among, target, shares, distance, met):
        seen.append((shares, [weight.clone() for weight in model.parameters()], images.clone()))
        return original(model, images, pairs, among, target, shares, distance, met)

    monkeypatch.setattr(module, "alignment", spied)
    run.advance(False)
    run.state = run.state._replace(images=run.state.images + 2)
    run.trajectory.outer = 1
    met, before = run.meeting(False), run.state
    after, _ = module.step(before, met, run.config)
    start, end = dance.ends(met, run.config)
    (first, between, images), (second, last, _) = seen[2:]
    assert first == (1.0, 0.0) and second == (0.0, 1.0) and images.max() <= 1
    for weight, one, other, trained in zip(between, start, end, last, strict=True):
        assert torch.equal(weight, met.share * one + (1 - met.share) * other) and torch.equal(trained, other)
    moved = after.images - images
    if name == "dance":  # rate x IPC / 10, halved
        torch.testing.assert_close(moved, -0.3 * 2 / 10 / 2 * after.velocity, rtol=1e-4, atol=1e-6)
        assert not torch.equal(after.velocity, before.velocity)
    else:
        mean, square = (each / (1 - beta**4) for each, beta in zip(after.moments, (0.9, 0.999), strict=True))  # the fourth step
        torch.testing.assert_close(moved, -0.15 * mean / (square.sqrt() + 1e-8), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stored", [True, False])
def test_a_step_of_udd_features_follows_its_windows_towards_real_means(stored, monkeypatch):
    """One step, by the definition in float64: UDD's training set of images clamped before, the distance of means and calibration times the
    cross-entropy, Adam's second step."""
    made, model = small("udd-features", inner=2, image_lr=0.3, image_lr_decay_at=[]), network()
    real, seen = noise(3, model.classifier.in_features, seed=4), []
    met = meeting(model)._replace(inner=1, target=Target((), real) if stored else None)
    search = udd_features.training_set
    monkeypatch.setattr(udd_features, "training_set", lambda *given: seen.append((given[0].clone(), search(*given))) or seen[-1][1])
    before = udd_features.State(3 * noise(3, 2, 3, 8, 8) - 1, (noise(3, 2, 3, 8, 8, seed=5), noise(3, 2, 3, 8, 8, seed=6)))
    after, scalars = udd_features.step(before, met, made)
    images, (pairs, among) = seen[0]
    torch.testing.assert_close(images, before.images.clamp(0, 1))
    assert pairs.shape == (3, 2 * (1 + made["udd"]["selected"]), 2)
    for c in range(3):
        pixels, draw = images[c].clone().requires_grad_(), augment.pick(met.draws, c)
        views = augment.apply(augment.normalise(decode(pixels, pairs[c], among), met.mean, met.std), draw)
        means = real[c] if stored else model.features(augment.apply(augment.normalise(met.real[c], met.mean, met.std), draw))[1].mean(0)
        embeddings = model.features(views)[1]
        apart = ((embeddings.mean(0) - means.detach()) ** 2).sum()
        entropy = F.cross_entropy(model.classifier(embeddings), torch.full((len(views),), c))
        (gradient,) = torch.autograd.grad(apart + made["udd_features"]["calibration"] * entropy, pixels)
        first, second = 0.9 * before.moments[0][c] + 0.1 * gradient, 0.999 * before.moments[1][c] + 0.001 * gradient**2
        expected = images[c] - 0.3 * (first / (1 - 0.9**2)) / ((second / (1 - 0.999**2)).sqrt() + 1e-8)
        torch.testing.assert_close(after.images[c], expected)
        torch.testing.assert_close((scalars["loss"][c], scalars["cross_entropy"][c]), (apart.detach(), entropy.detach()))


def test_decoding_all_classes_at_once_is_decoding_each():
    images, among = noise(3, 2, 3, 8, 8), grid_windows(8, 2, torch.zeros((), dtype=torch.float64))
    pairs = training_pairs(all_windows(images, among), among, 5, torch.Generator().manual_seed(0))
    for c in range(3):
        torch.testing.assert_close(alignment.decoded(images, pairs, among)[c], decode(images[c], pairs[c], among))


def test_the_distance_stays_in_float32_where_networks_are_rounded():
    """NCFM's phases in bfloat16 would set a set apart from itself."""
    model = Embedding(network(width=16).float())
    weights, inputs = {name: weight.detach() for name, weight in model.named_parameters()}, noise(2, 4, 3, 8, 8).float()
    frequencies = torch.randn(64, model.network.classifier.in_features, generator=torch.Generator().manual_seed(0))
    embeddings = F.normalize(features.embedded(model, weights, inputs, torch.bfloat16), dim=2)
    target = [*features.characteristic(embeddings, frequencies), frequencies.expand(2, -1, -1)]
    ones = (torch.ones(()), torch.zeros(()))
    _, (apart, _) = features.image_gradient(model, weights, inputs, torch.arange(2), target, ones, features.characteristic_distance, torch.bfloat16)
    assert apart.max() < 0.01


def test_udd_features_meets_the_stored_means_of_a_cache():
    run = Run(small("udd-features"), dataset())
    met = run.meeting(False)
    assert met.target and not len(met.real)
    fresh = Run(small("udd-features", networks="fresh"), dataset())
    assert not fresh.meeting(False).target
    fresh.advance(False)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("dance", {"networks": "fresh"}, "write networks: cached"),
        ("udd-features", {"cache_draws": 0}, "1 or more"),
        ("mtt", {"cache_ages": 2}, "expert_ages 2 of cache_ages 2"),
        ("mtt", {"real_batch": "clusters"}, "mtt meets no real batch: leave it out"),
        ("kip", {"real_batch": "clusters"}, "kip has no network by which images could be told apart: leave it out"),
    ],
)
def test_networks_that_a_method_cannot_meet_are_refused(name, changes, said):
    made = of_method(name)
    with pytest.raises(UserError, match=said):
        check_networks(made | {"distill": made["distill"] | changes})


def test_the_weight_of_calibration_is_that_of_the_cross_entropys_gradient():
    model, images = network(), noise(3, 2, 3, 8, 8)
    met, among = meeting(model), grid_windows(8, 2, images)
    pairs, target = training_pairs(all_windows(images, among), among, 128, met.generator), [noise(3, model.classifier.in_features)]

    def gradient(*shares: float) -> torch.Tensor:
        return alignment.alignment(model, images, pairs, among, target, shares, features.mean_distance, met).gradient  # type: ignore[arg-type]

    torch.testing.assert_close(gradient(1.0, 3.0), gradient(1.0, 0.0) + 3 * gradient(0.0, 1.0))


def test_the_gradient_runs_captured_whole():
    """As the compiler takes it, in bfloat16 too."""
    from tiny import captured

    model = Embedding(network().float())
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    inputs, labels = noise(3, 2, 3, 8, 8).float(), torch.arange(3)
    target, shares = [torch.zeros(3, model.network.classifier.in_features)], (torch.ones(()), torch.ones(()))
    for precision in (None, torch.bfloat16):
        expected = features.image_gradient(model, weights, inputs, labels, target, shares, features.mean_distance, precision)
        found = captured(features.image_gradient)(model, weights, inputs, labels, target, shares, features.mean_distance, precision)
        torch.testing.assert_close(found, expected, rtol=1e-2 if precision else 1e-4, atol=1e-2 if precision else 1e-5)
