"""Losses against their formulas, weight by weight and class by class."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import network, noise
from torch import nn

from udd.objectives.losses import cfc, gradient_distance, matched_weights, moving_average

SHAPES = [(4, 3, 3, 3), (5, 4, 3, 3), (2, 2)]


def gradients(seed: int) -> list[torch.Tensor]:
    return [noise(*shape, seed=seed + i) - 0.5 for i, shape in enumerate(SHAPES)]


@pytest.mark.parametrize("distance", ["mse", "l1"])
def test_gradient_distance_is_a_sum_over_all_weights(distance):
    real, synthetic = gradients(0), gradients(10)
    expected = 0.0
    for a, b in zip(real, synthetic, strict=True):
        for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True):
            expected += (x - y) ** 2 if distance == "mse" else abs(x - y)
    assert gradient_distance(real, synthetic, distance).item() == pytest.approx(expected, rel=1e-12)
    assert gradient_distance(real, real, distance).item() == 0


@pytest.mark.parametrize("distance", ["mse", "l1"])
def test_gradient_distance_can_be_differentiated_twice(distance):
    real, synthetic = gradients(0)[0], gradients(10)[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda b: gradient_distance([real], [b], distance), synthetic)
    assert torch.autograd.gradgradcheck(lambda b: gradient_distance([real], [b], distance), synthetic)


def cfc_as_printed(feature: list[float], averages: list[list[float]], label: int, temperature: float) -> float:
    """Eq. 7, letter by letter."""

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    similar = [math.exp(cosine(feature, average) / temperature) for average in averages]
    return -math.log(similar[label] / sum(value for i, value in enumerate(similar) if i != label))


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(0, 5), st.floats(0.05, 5), st.integers(0, 99))
def test_cfc_is_equation_7(classes, label, temperature, seed):
    label %= classes
    feature, averages = noise(7, seed=seed) - 0.3, noise(classes, 7, seed=seed + 1) - 0.3
    expected = cfc_as_printed(feature.tolist(), averages.tolist(), label, temperature)
    assert cfc(feature, averages, label, temperature).item() == pytest.approx(expected, rel=1e-10, abs=1e-10)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(0, 5), st.floats(0.05, 5), st.integers(0, 99))
def test_cfc_and_its_gradient_are_those_of_the_others_in_a_row_for_a_number_and_a_tensor(
    classes, label, temperature, seed
):
    label %= classes
    feature, averages = (noise(7, seed=seed) - 0.3).requires_grad_(), noise(classes, 7, seed=seed + 1) - 0.3
    similarity = torch.cosine_similarity(feature, averages, dim=-1) / temperature
    expected = torch.cat([similarity[:label], similarity[label + 1 :]]).logsumexp(0) - similarity[label]
    (expected_gradient,) = torch.autograd.grad(expected, feature)
    for found in (
        cfc(feature, averages, label, temperature),
        cfc(feature, averages, torch.tensor(label), torch.tensor(temperature, dtype=torch.float64)),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(torch.autograd.grad(found, feature)[0], expected_gradient, rtol=1e-10, atol=1e-10)


def test_cfc_pulls_to_its_own_class_and_leaves_the_averages_alone():
    feature, averages = noise(7).requires_grad_(), noise(3, 7, seed=1).requires_grad_()
    loss = cfc(feature, averages, 1, 0.7)
    (descent,) = torch.autograd.grad(loss, feature)
    assert not torch.autograd.grad(cfc(feature, averages, 1, 0.7), averages, allow_unused=True)[0]
    assert torch.autograd.gradcheck(lambda f: cfc(f, averages.detach(), 1, 0.7), feature)
    after = feature - 0.1 * descent
    assert cfc(after, averages, 1, 0.7) < loss


def test_moving_average_is_equation_8():
    averages, features = noise(3, 5), noise(3, 5, seed=1)
    torch.testing.assert_close(moving_average(averages, features, 0.8), 0.8 * averages + 0.2 * features)
    assert torch.equal(moving_average(averages, features, 0.0), features)


@pytest.mark.parametrize("name", ["convnet3", "resnet18"])
def test_the_weights_of_every_convolution_are_matched_and_nothing_else(name):
    model = network(name=name, width=8)
    convolutions = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)]
    found = matched_weights(model, "convolutions")
    assert {id(weight) for weight in found} == {id(weight) for weight in convolutions}
    assert len(matched_weights(model, "all")) == len(list(model.parameters())) > len(found)
