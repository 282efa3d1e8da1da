"""First-order objectives, and the alignment that descends on them: against slow references in float64."""

from __future__ import annotations

import cmath

import pytest
import torch
import torch.nn.functional as F
from firstorder import meeting
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import network, noise

from udd.methods import alignment, ncfm
from udd.methods.updates import adam_step, momentum_step
from udd.networks import augment
from udd.objectives import features
from udd.objectives.gradients import Embedding
from udd.synthetic.regions import all_windows, decode, grid_windows, training_pairs

# --- the objectives ---


def test_the_mean_distance_is_the_sum_of_squares_of_the_differences_of_means():
    embeddings, means = noise(2, 3, 4), noise(2, 4, seed=1)
    for c in range(2):
        expected = sum(
            (sum(embeddings[c, q, d].item() for q in range(3)) / 3 - means[c, d].item()) ** 2 for d in range(4)
        )
        assert features.mean_distance(embeddings, means)[c].item() == pytest.approx(expected, rel=1e-12)


def function_at(frequency: torch.Tensor, points: torch.Tensor) -> complex:
    """The empirical characteristic function of points [Q, D] at one frequency [D], the definition."""
    return sum(
        cmath.exp(1j * sum(t * x for t, x in zip(frequency.tolist(), point.tolist(), strict=True))) for point in points
    ) / len(points)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_the_characteristic_distance_is_that_of_its_definition(seed, ours_count, real_count):
    ours, real, frequencies = (
        noise(1, ours_count, 3, seed=seed) - 0.5,
        noise(1, real_count, 3, seed=seed + 1) - 0.5,
        3 * noise(5, 3, seed=seed + 2),
    )
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
        target, distance = (
            ncfm.real_functions(met, noise(7, model.classifier.in_features, seed=3)),
            features.characteristic_distance,
        )
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
    pairs, target = (
        training_pairs(all_windows(images, among), among, 128, met.generator),
        [noise(3, model.classifier.in_features)],
    )
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
    _, (apart, _) = features.image_gradient(
        model, weights, inputs, torch.arange(2), target, ones, features.characteristic_distance, torch.bfloat16
    )
    assert apart.max() < 0.01


def test_the_weight_of_calibration_is_that_of_the_cross_entropys_gradient():
    model, images = network(), noise(3, 2, 3, 8, 8)
    met, among = meeting(model), grid_windows(8, 2, images)
    pairs, target = (
        training_pairs(all_windows(images, among), among, 128, met.generator),
        [noise(3, model.classifier.in_features)],
    )

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
        expected = features.image_gradient(
            model, weights, inputs, labels, target, shares, features.mean_distance, precision
        )
        found = captured(features.image_gradient)(
            model, weights, inputs, labels, target, shares, features.mean_distance, precision
        )
        torch.testing.assert_close(found, expected, rtol=1e-2 if precision else 1e-4, atol=1e-2 if precision else 1e-5)
