"""Unrolled training: the gradient by images and rate against one graph of the whole unroll in float64; MTT
and DD, which live by it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run
from tiny import captured, dataset, network, noise, of_method
from torch import Tensor

from udd.methods import dd, mtt
from udd.networks import augment
from udd.networks.streams import stream
from udd.objectives.unrolled import Batch, descended, pulled, pulled_back, unrolled


def named(model: Any) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in model.named_parameters()}


def squared(one: dict[str, Tensor], other: dict[str, Tensor]) -> Tensor:
    """The squared distance of two networks' weights."""
    return torch.stack([(one[name] - other[name]).square().sum() for name in other]).sum()


def graph_of_all(model: Any, batches: list[Batch], loss: Any) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The loss of the last weights, and its derivatives by every batch's images and rate, through one graph."""
    inputs = [batch.inputs.clone().requires_grad_() for batch in batches]
    rates = [batch.rate.clone().requires_grad_() for batch in batches]
    weights = {name: weight.clone().requires_grad_() for name, weight in named(model).items()}
    for each, rate, batch in zip(inputs, rates, batches, strict=True):
        entropy = F.cross_entropy(torch.func.functional_call(model, weights, (each,)), batch.labels)
        found = torch.autograd.grad(entropy, list(weights.values()), create_graph=True)
        weights = {name: weight - rate * slope for (name, weight), slope in zip(weights.items(), found, strict=True)}
    value = loss(weights)
    found = torch.autograd.grad(value, inputs + rates)
    return value, list(found[: len(inputs)]), list(found[len(inputs) :])


def batches_of(steps: int, seed: int = 0) -> list[Batch]:
    return [
        Batch(noise(4, 3, 8, 8, seed=seed + i), torch.tensor([0, 1, 2, 0]), torch.tensor(0.1 + 0.1 * i).double())
        for i in range(steps)
    ]


@settings(deadline=None, max_examples=6)
@given(st.integers(1, 4), st.integers(0, 1000))
def test_the_derivatives_are_those_of_the_whole_graph(steps, seed):
    model, batches, aim = network(), batches_of(steps, seed), named(network(seed=7))
    value, of_inputs, of_rates = graph_of_all(model, batches, lambda weights: squared(weights, aim))
    along = unrolled(model, named(model), steps, batches.__getitem__)
    slopes = {name: 2 * (along[-1][name] - aim[name]) for name in aim}
    assert squared(along[-1], aim).item() == pytest.approx(value.item(), rel=1e-12)
    for number, by_inputs, by_rate in pulled_back(model, along, batches.__getitem__, slopes):
        torch.testing.assert_close((by_inputs, by_rate), (of_inputs[number], of_rates[number]), rtol=1e-9, atol=1e-12)


def test_a_step_is_torchs_sgd():
    model, (batch,) = network(), batches_of(1)
    found = descended(model, named(model), *batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    F.cross_entropy(model(batch.inputs), batch.labels).backward()
    optimizer.step()
    torch.testing.assert_close(found, named(model))


def test_both_passes_run_captured_whole():
    model, (batch,) = network(), batches_of(1)
    slopes = {name: torch.ones_like(weight) for name, weight in named(model).items()}
    torch.testing.assert_close(captured(descended)(model, named(model), *batch), descended(model, named(model), *batch))
    torch.testing.assert_close(
        captured(pulled)(model, named(model), *batch, slopes), pulled(model, named(model), *batch, slopes)
    )


# --- MTT ---


def test_the_distance_is_a_share_of_the_experts_way():
    start, end, target = (named(network(seed=seed)) for seed in range(3))
    value, slopes = mtt.distance(end, target, start)
    apart = {name: end[name].clone().requires_grad_() for name in target}
    expected = squared(apart, target) / squared(start, target)
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    found = torch.autograd.grad(expected, list(apart.values()))
    torch.testing.assert_close(list(slopes.values()), list(found))
    assert mtt.distance(target, target, start)[0] == 0 and mtt.distance(start, target, start)[0] == 1


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 8), st.integers(1, 12))
def test_every_image_trains_before_one_trains_again(count, size, steps):
    found = mtt.shuffled(count, size, steps, stream("cpu", "order"))
    assert len(found) == steps and all(0 < len(each) <= (size or count) for each in found)
    seen = torch.cat(found)[:count].tolist()
    assert len(set(seen)) == len(seen)


def small(name: str, **changes: Any) -> dict[str, Any]:
    found = of_method(name, **({"batch_real": 5, "inner": 1, "image_lr_decay_at": []} | changes))
    keys = {"steps": 3, "expert_ages": 1} if name == "mtt" else {"epochs": 2}
    return found | {name: found[name] | keys}


def test_a_student_starts_where_its_expert_was_and_aims_at_where_it_goes():
    run = Run(small("mtt", cache_ages=4), dataset())
    starts = set()
    for run.trajectory.inner in range(20):
        met = run.meeting(False)
        start, target = mtt.segment(met, run.config)
        ages = [
            [torch.equal(weight, each) for each in start.values()][0]
            for weight in (met.expert(age)[0] for age in range(4))
        ]
        starts.add(ages.index(True))
        assert torch.equal(met.expert(ages.index(True) + 1)[0], next(iter(target.values())))
    assert starts == {0, 1}  # last_start: 2


def test_a_learned_rate_stays_above_0(monkeypatch):
    """A steep loss would carry it below, where the student goes uphill, and from there far above."""
    run = Run(small("mtt", cache_ages=4), dataset())
    slope = torch.tensor(1e6)
    monkeypatch.setattr(mtt, "student", lambda state, *_: (slope.new_zeros(()), torch.zeros_like(state.images), slope))
    rates = [run.advance(False)["rate"].item() for _ in range(3)]
    assert rates[0] == pytest.approx(run.config["mtt"]["rate"]) and rates[1:] == [pytest.approx(mtt.SLOWEST)] * 2


def test_mtt_descends_on_the_distance_of_the_unrolled_student():
    """Pixels and rate against one graph of the whole unroll in float64, augmentation included."""
    made = small("mtt", cache_ages=4, matching_augment=["color", "crop", "cutout"])
    made = made | {"mtt": made["mtt"] | {"batch": 4, "rate": 0.3}}
    run = Run(made, dataset())
    met = run.meeting(False)
    images = run.state.images.double()
    state = run.state._replace(images=images, rate=run.state.rate.double())
    doubled = met._replace(network=met.network.double(), mean=met.mean.double(), std=met.std.double(), share=0.4)
    doubled = doubled._replace(
        expert=lambda age: tuple(weight.double() for weight in met.expert(age)), generator=stream("cpu", "one")
    )
    loss, gradient, of_rate = mtt.student(state, doubled, made)
    random = stream("cpu", "one")
    pixels, rate = images.clone().requires_grad_(), state.rate.clone().requires_grad_()
    chosen = mtt.shuffled(6, 4, 3, random)
    start, target = mtt.segment(doubled, made)
    weights = {name: weight.clone().requires_grad_() for name, weight in start.items()}
    for index in chosen:
        draws = augment.draw(["color", "crop", "cutout"], len(index), 8, random, torch.float64)
        inputs = torch.stack(
            [(pixels[i // 2, i % 2] - met.mean.view(-1, 1, 1)) / met.std.view(-1, 1, 1) for i in index.tolist()]
        )
        entropy = F.cross_entropy(
            torch.func.functional_call(doubled.network, weights, (augment.apply(inputs, draws),)), index // 2
        )
        found = torch.autograd.grad(entropy, list(weights.values()), create_graph=True)
        weights = {name: weight - rate * slope for (name, weight), slope in zip(weights.items(), found, strict=True)}
    expected = squared(weights, target) / squared(start, target)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-9, atol=0)
    torch.testing.assert_close((gradient, of_rate), torch.autograd.grad(expected, (pixels, rate)), rtol=1e-7, atol=1e-9)


def test_mtts_step_follows_pixels_and_rate_with_momentum_each_at_its_own_rate():
    made = small("mtt", cache_ages=4, image_lr=0.7, image_momentum=0.5)
    run = Run(made | {"mtt": made["mtt"] | {"rate_lr": 1e-5}}, dataset()._replace(std=[0.1, 0.2, 0.4]))
    met = run.meeting(False)._replace(generator=stream("cpu", "one"))
    before = run.state._replace(velocity=torch.ones_like(run.state.images), rate_velocity=torch.tensor(2.0))
    _, gradient, of_rate = mtt.student(before, met, run.config)
    after, _ = run.method.step(before, met._replace(generator=stream("cpu", "one")), run.config)
    for k, std in enumerate((0.1, 0.2, 0.4)):
        torch.testing.assert_close(
            after.images[:, :, k], before.images[:, :, k] - 0.7 * std**2 * (0.5 + gradient[:, :, k])
        )
    torch.testing.assert_close(after.rate, before.rate - 1e-5 * (1.0 + of_rate))


def test_mtt_lowers_its_loss_by_the_images_alone():
    made = small("mtt", matching_augment=[], inner=40, cache_networks=1, cache_ages=2, image_lr=30.0)
    run = Run(made | {"mtt": made["mtt"] | {"rate": 0.05, "rate_lr": 1e-30, "last_start": 1}}, dataset(side=8, count=3))
    losses = [run.advance(False)["loss"].item() for _ in range(40)]
    assert sum(losses[-5:]) < 0.99 * sum(losses[:5])


def test_dds_step_is_torchs_adam_on_normalised_pixels_and_raw_rates():
    run = Run(small("dd", image_lr=0.1, image_lr_decay_at=[0.5], outer=4), dataset()._replace(std=[0.1, 0.2, 0.4]))
    std, state, random = torch.tensor([0.1, 0.2, 0.4]).view(-1, 1, 1), run.state, torch.Generator().manual_seed(0)
    theirs = [(state.images / std).requires_grad_(), state.rates.clone().requires_grad_()]
    optimizer = torch.optim.Adam(theirs, lr=0.1, betas=(0.5, 0.999), eps=1e-8)
    for count in range(1, 4):
        gradients = [torch.randn(each.shape, generator=random) for each in theirs]
        for each, gradient in zip(theirs, gradients, strict=True):
            each.grad = gradient
        optimizer.step()
        state = dd.followed(state, {"images": gradients[0], "rates": gradients[1]}, 0.1, std, count)
        torch.testing.assert_close(
            (state.images / std, state.rates), (theirs[0].detach(), theirs[1].detach()), rtol=1e-4, atol=1e-5
        )
    first = dd.learning_rate(run.options, 0)
    assert (first, dd.learning_rate(run.options, 2)) == (0.1, 0.05)


def test_dd_descends_on_the_loss_of_the_unrolled_network(monkeypatch):
    """Images and rates get the derivatives of the real loss through one graph of all steps, each image's turns
    summed."""
    run, got = Run(small("dd"), dataset()), []
    monkeypatch.setattr(
        dd, "adam_step", lambda images, moments, gradient, *_: (got.append(gradient), (images, moments))[1]
    )
    met = run.meeting(False)
    run.method.step(run.state, met._replace(networks=stream("cpu", "one")), run.config)
    dd.initialise(met.network, stream("cpu", "one"))
    pixels, raw = (each.clone().requires_grad_() for each in (run.state.images, run.state.rates))
    weights: dict[str, Tensor] = dict(met.network.named_parameters())
    for number in range(4):  # two passes over two images a class
        inputs = (pixels[:, number % 2] - met.mean.view(-1, 1, 1)) / met.std.view(-1, 1, 1)
        entropy = F.cross_entropy(torch.func.functional_call(met.network, weights, (inputs,)), torch.arange(3))
        found = torch.autograd.grad(entropy, list(weights.values()), create_graph=True)
        rate = torch.log1p(raw[number].exp())
        weights = {name: weight - rate * slope for (name, weight), slope in zip(weights.items(), found, strict=True)}
    real = (met.real.flatten(0, 1) / 255 - met.mean.view(-1, 1, 1)) / met.std.view(-1, 1, 1)
    loss = F.cross_entropy(
        torch.func.functional_call(met.network, weights, (real,)), torch.arange(3).repeat_interleave(5)
    )
    torch.testing.assert_close(got, list(torch.autograd.grad(loss, (pixels, raw))), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "learned", "stored"),
    [
        ("mtt", {"rate": torch.tensor(0.5)}, 0.5),
        ("dd", {"rates": torch.tensor([0.1, 0.2, 0.3, 0.8]).expm1().log()}, 0.35),
    ],
    ids=["mtt", "dd"],
)
def test_the_learned_rate_is_stored_with_the_set_or_the_mean_of_several(name, learned, stored):
    run = Run(small(name), dataset())
    assert run.finished().metadata["rate"] == pytest.approx(run.config[name]["rate"], rel=1e-4)
    run.state = run.state._replace(**learned)
    assert run.finished().metadata["rate"] == pytest.approx(stored, rel=1e-4)
