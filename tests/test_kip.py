"""KIP: both kernels against slow references and against networks of finite width; the regression; the method."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run
from tiny import dataset, noise, of_method
from torch import Tensor

import udd
from udd.methods import kip
from udd.objectives import kernels
from udd.objectives.kernels import convolutional, dense, predicted

few = settings(deadline=None, max_examples=20)
KINDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dense": lambda one, other: dense(one, other, 3),
    "convolutional": lambda one, other: convolutional(one, other, 2, 3),
}


def images(count: int, side: int = 4, seed: int = 0) -> Tensor:
    """Around 0, as normalised ones are. [n, 2, side, side]."""
    return 4 * noise(count, 2, side, side, seed=seed) - 2


def small(ipc: int = 2, **changes: Any) -> dict[str, Any]:
    """KIP's configuration for the data set `tiny`: keys of its own section, else of `distill`."""
    found = of_method("kip", ipc)
    own = {key: value for key, value in changes.items() if key in found["kip"]}
    rest = {key: value for key, value in changes.items() if key not in own}
    return found | {"kip": found["kip"] | own, "distill": found["distill"] | rest}


# --- slow references ---


def slow_relu(covariance: float, one: float, other: float) -> tuple[float, float]:
    """E[relu(u) relu(v)] and P(u > 0, v > 0) (Cho & Saul 2009, of degrees 1 and 0)."""
    theta = math.acos(max(-1.0, min(1.0, covariance / math.sqrt(one * other))))
    first = math.sqrt(one * other) / (2 * math.pi) * (math.sin(theta) + (math.pi - theta) * math.cos(theta))
    return first, (math.pi - theta) / (2 * math.pi)


def test_the_arccosine_formulas_are_the_integrals():
    """By a sum over a fine grid of two independent normal numbers."""
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    u, e = torch.meshgrid(grid, grid, indexing="ij")
    weight = (-(u.square() + e.square()) / 2).exp() / (2 * math.pi) * (grid[1] - grid[0]).square()
    one, other, covariance = 1.3, 0.7, -0.4
    a = math.sqrt(one) * u
    b = covariance / math.sqrt(one) * u + math.sqrt(other - covariance**2 / one) * e
    found = kernels.arccosine(*(torch.tensor(value, dtype=torch.float64) for value in (covariance, one, other)))
    assert found[0].item() == pytest.approx((weight * a.relu() * b.relu()).sum().item(), abs=1e-4)
    assert found[1].item() == pytest.approx((weight * (a > 0) * (b > 0)).sum().item(), abs=5e-3)


def test_one_hidden_layer_is_the_closed_form():
    one, other = images(3), images(2, seed=1)
    found = dense(one, other, 1)
    for i, j in itertools.product(range(3), range(2)):
        x, y = one[i].flatten().tolist(), other[j].flatten().tolist()
        a, b, c = (2 * sum(p * q for p, q in zip(s, t, strict=True)) / 32 + 0.01 for s, t in ((x, x), (y, y), (x, y)))
        hidden, both = slow_relu(c, a, b)
        # The last layer's parameters, then the first's
        assert found[i, j].item() == pytest.approx(2 * hidden + 0.01 + 2 * both * c, rel=1e-9)


Table = dict[tuple[int, ...], float]  # (image, image, y, x, y', x') -> number


def slow_convolution(table: Table, side: int, count: int) -> Table:
    """The mean over the nine neighbours at the same place around both pixels, where both lie inside."""
    found: Table = {}
    for i, j in itertools.product(range(count), repeat=2):
        for y, x, v, u in itertools.product(range(side), repeat=4):
            around = [(y + d, x + e, v + d, u + e) for d in (-1, 0, 1) for e in (-1, 0, 1)]
            found[i, j, y, x, v, u] = sum(table.get((i, j, *pixels), 0.0) for pixels in around) / 9
    return found


def slow_pool(table: Table, side: int, count: int) -> Table:
    """The mean over four pixels of either image."""
    found: Table = {}
    for i, j in itertools.product(range(count), repeat=2):
        for y, x, v, u in itertools.product(range(side // 2), repeat=4):
            cells = itertools.product((0, 1), repeat=4)
            found[i, j, y, x, v, u] = (
                sum(table[i, j, 2 * y + a, 2 * x + b, 2 * v + c, 2 * u + d] for a, b, c, d in cells) / 16
            )
    return found


def slow_convolutional(given: Tensor, depth: int) -> Tensor:
    """The tangent kernel of all images with each other, pixel by pixel. [N, K, H, H] -> [N, N]."""
    count, channels, side, _ = given.shape
    both = list(itertools.product(range(count), repeat=2))
    pixels = itertools.product(range(side), repeat=4)
    table: Table = {
        (i, j, *at): (given[i, :, at[0], at[1]] @ given[j, :, at[2], at[3]]).item() / channels
        for at in pixels
        for i, j in both
    }
    tangent: Table = dict.fromkeys(table, 0.0)
    for _ in range(depth):
        table = {at: 2 * value + 0.01 for at, value in slow_convolution(table, side, count).items()}
        tangent = {at: table[at] + 2 * value for at, value in slow_convolution(tangent, side, count).items()}
        spread = {(at[0], *at[2:4]): value for at, value in table.items() if at[0] == at[1] and at[2:4] == at[4:]}
        after = {at: slow_relu(value, spread[at[0], *at[2:4]], spread[at[1], *at[4:]]) for at, value in table.items()}
        tangent = slow_pool({at: after[at][1] * value for at, value in tangent.items()}, side, count)
        table = slow_pool({at: value for at, (value, _) in after.items()}, side, count)
        side //= 2
    found = torch.zeros(count, count, dtype=torch.float64)
    for i, j in both:
        same = [(i, j, y, x, y, x) for y in range(side) for x in range(side)]
        covariance, before = (sum(each[at] for at in same) / len(same) for each in (table, tangent))
        found[i, j] = 2 * covariance + 0.01 + 2 * before
    return found


@pytest.mark.parametrize(("side", "depth"), [(4, 1), (4, 2), (5, 1), (5, 2)])
def test_the_convolutional_kernel_is_that_of_loops_over_pixels(side, depth):
    both = images(3, side)
    found, expected = convolutional(both[:2], both, depth, 4), slow_convolutional(both, depth)
    torch.testing.assert_close(found, expected[:2], rtol=1e-7, atol=1e-9)


# --- networks of finite width ---


def forward(weights: list[Tensor], image: Tensor) -> Tensor:
    """One output of a network in the NTK parameterisation. Weights of four axes: a convolution, ReLU and average; of
    two: dense, a ReLU between."""
    x = image.unsqueeze(0)
    for number in range(0, len(weights), 2):
        weight, bias = weights[number] * math.sqrt(2 / weights[number][0].numel()), 0.1 * weights[number + 1]
        if weight.ndim == 4:
            x = F.avg_pool2d(F.conv2d(x, weight, bias, padding=1).relu(), 2)
        else:
            x = F.linear(x.flatten(1), weight, bias)
            x = x.relu() if number < len(weights) - 2 else x
    return x.sum()


def empirical(shapes: list[tuple[int, ...]], given: Tensor, networks: int) -> tuple[Tensor, Tensor]:
    """The products of the output's gradients by all parameters, over random networks: the mean and
    its standard error. [N, N]."""
    random, found = torch.Generator().manual_seed(0), []
    for _ in range(networks):
        drawn = [torch.randn(size, generator=random) for shape in shapes for size in (shape, shape[:1])]
        weights = [each.requires_grad_() for each in drawn]
        rows = [
            torch.cat([g.flatten() for g in torch.autograd.grad(forward(weights, image), weights)])
            for image in given.float()
        ]
        found.append(torch.stack(rows).double() @ torch.stack(rows).double().T)
    each = torch.stack(found)
    return each.mean(0), each.std(0) / math.sqrt(networks)


@pytest.mark.parametrize(
    ("kernel", "side", "shapes"),
    [
        (lambda x: dense(x, x, 2), 4, [(512, 32), (512, 512), (1, 512)]),
        (lambda x: convolutional(x, x, 2, 8), 8, [(256, 2, 3, 3), (256, 256, 3, 3), (1, 256 * 4)]),
    ],
    ids=["dense", "convolutional"],
)
def test_wide_random_networks_have_the_kernel_on_average(kernel, side, shapes):
    given = images(4, side)
    exact = kernel(given)
    mean, error = empirical(shapes, given, 60)
    assert (error < 0.03 * exact.diagonal().mean()).all()  # else the next line says little
    assert ((mean - exact).abs() < 4 * error).all()


# --- what holds of both ---


@pytest.mark.parametrize("kind", KINDS)
@few
@given(seed=st.integers(0, 10**6), count=st.integers(1, 5), scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0]))
def test_a_kernel_is_symmetric_and_positive(kind, seed, count, scale):
    given = scale * images(count, seed=seed)
    found = KINDS[kind](given, given)
    assert torch.allclose(found, found.T, rtol=1e-12) and (found.diagonal() > 0).all()
    assert torch.linalg.eigvalsh(found).min() > -1e-7 * found.trace()
    torch.testing.assert_close(KINDS[kind](given[:1], given), found[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_small_steps_even_of_an_image_with_itself(kind):
    given = images(2, seed=3).requires_grad_()
    real = images(3, seed=4)
    assert torch.autograd.gradcheck(lambda x: (KINDS[kind](x, x), KINDS[kind](real, x)), given, atol=1e-5)


@pytest.mark.parametrize("pairs", [1, 2, 3, 5, 100])
def test_pairs_at_a_time_change_nothing(pairs):
    one, other = images(3).requires_grad_(), images(4, seed=1).requires_grad_()
    weight, found = noise(3, 4), []
    for size in (pairs, 7):
        kernel = convolutional(one, other, 2, size)
        found.append((kernel.detach(), *torch.autograd.grad((weight * kernel).sum(), (one, other))))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)


@few
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6), st.sampled_from([1e-6, 1e-2, 3.0]))
def test_the_regression_is_numpys(seed, support, target, ridge):
    points, labels = noise(support + target, 9, seed=seed) - 0.5, noise(support, 3, seed=seed + 1)
    kernel = (points @ points.T + torch.eye(len(points))).numpy()
    own, between = kernel[:support, :support], kernel[support:, :support]
    system = own + ridge * np.trace(own) / support * np.eye(support)
    expected = between @ np.linalg.solve(system, labels.numpy())
    torch.testing.assert_close(
        predicted(torch.from_numpy(between), torch.from_numpy(own), labels, ridge), torch.from_numpy(expected)
    )


# --- the method ---


@pytest.mark.parametrize("learned", [False, True])
def test_a_step_is_torchs_adam_on_the_papers_loss(learned):
    """On normalised pixels and on what labels are the softmax of."""
    made = small(image_lr=0.04, ridge=1e-3, depth=2, learn_labels=learned)
    run = Run(made, dataset()._replace(std=[0.1, 0.2, 0.4]))
    met, state = run.meeting(False), run.state
    mean, std = (each.double().view(-1, 1, 1) for each in (met.mean, met.std))
    theirs = [((state.images.double() - mean) / std).requires_grad_(), state.logits.double().clone().requires_grad_()]
    optimizer = torch.optim.Adam(theirs if learned else theirs[:1], lr=0.04)
    real = (met.real.flatten(0, 1).double() / 255 - mean) / std
    for number in range(3):
        targets = torch.tensor([[2 / 3 if label == c else -1 / 3 for c in range(3)] for label in range(3)]).double()
        labels = theirs[1].softmax(2).flatten(0, 1) - 1 / 3 if learned else targets.repeat_interleave(2, 0)
        ours = theirs[0].flatten(0, 1)
        own = dense(ours, ours, 2)
        system = own + 1e-3 * own.trace() / 6 * torch.eye(6)
        left = targets.repeat_interleave(5, 0) - dense(real, ours, 2) @ torch.linalg.inv(system) @ labels
        loss = left.square().sum() / 2
        optimizer.zero_grad()
        loss.backward()
        state, scalars = kip.step(state, met._replace(inner=number), made)
        assert scalars["loss"].sum().item() == pytest.approx(loss.item(), rel=1e-3)
        right = (targets.repeat_interleave(5, 0) - left).argmax(1) == torch.arange(3).repeat_interleave(5)
        assert scalars["accuracy"].item() == pytest.approx(right.double().mean().item())
        optimizer.step()
        expected = (theirs[0].detach() * std + mean, theirs[1].detach())
        torch.testing.assert_close((state.images.double(), state.logits.double()), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"kernel": "convolutional", "depth": 2}, {"learn_labels": True}], ids=str)
def test_it_lowers_its_loss(changes):
    run = Run(small(1, outer=30, inner=1, batch_real=21, image_lr_decay_at=[], pairs=200, **changes), dataset(side=4))
    losses = [run.advance(False)["loss"].mean().item() for _ in range(30)]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_a_real_image_that_is_in_the_set_does_no_harm():
    """The start: the regression knows these images, and the kernel's kink lies where they are."""
    run = Run(small(7, batch_real=7), dataset())
    assert all(value.isfinite().all() for _ in range(3) for value in run.advance(True).values())


def test_labels_that_were_learned_are_stored_as_soft_ones():
    run = Run(small(learn_labels=True), dataset())
    first = run.finished()
    assert torch.allclose(first.labels, torch.eye(3).repeat_interleave(2, 0) * 0.85 + 0.05)
    run.advance(False)
    labels = run.finished().labels
    assert (
        labels.shape == (6, 3)
        and not torch.equal(labels, first.labels)
        and torch.allclose(labels.sum(1), torch.ones(6))
        and (labels > 0).all()
    )
    assert Run(small(), dataset()).finished().labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_set_with_learned_labels_is_trained_on_and_cut_where_a_class_is_smaller(tmp_path):
    data = dataset(count=7)  # classes of 3, 2 and 2
    keys: dict[str, Any] = {"outer": 1, "width": 4, "batch_real": 4, "learn_labels": True, "device": "cpu"}
    made = udd.distill(data, "kip", 3, checkpoint=tmp_path / "run", smaller_classes=True, **keys)
    assert made.labels.argmax(1).tolist() == [0, 0, 0, 1, 1, 2, 2] and made.labels.shape == (7, 3)
    assert len(udd.evaluate(made, data, 1, epochs=1, width=4, device="cpu").values) == 1
