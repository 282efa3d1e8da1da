"""CAFE: its losses against slow float64 references, its watcher against the authors' loop, its
network; it lowers its loss."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from references import slow_augment, standardised
from runs import Run
from tiny import dataset, network, noise, of_method
from torch import Tensor

from udd.methods import alignment, cafe
from udd.networks import augment
from udd.networks.streams import stream
from udd.objectives.execution import EAGER
from udd.proxies.meeting import Meeting

few = settings(deadline=None, max_examples=30)
ACCURACIES = st.lists(st.integers(0, 20).map(lambda of: of / 20), max_size=25)


def small(**changes: Any) -> dict[str, Any]:
    """CAFE's configuration for the data set `tiny`: keys of its own section, else of `distill`."""
    found = of_method("cafe", matching_augment=["color", "crop"])
    own = {"watched": 4, "net_epochs": 2} | {key: value for key, value in changes.items() if key in found["cafe"]}
    rest = {key: value for key, value in changes.items() if key not in own}
    return found | {"cafe": found["cafe"] | own, "distill": found["distill"] | rest}


def meeting(model, images: int = 5) -> Meeting:
    """What a step meets, in float64."""
    draws = augment.draw(["color", "crop", "cutout"], 3, 8, stream("cpu", "draws"), torch.float64)
    mean, std = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64), torch.tensor([0.2, 0.25, 0.3], dtype=torch.float64)
    random = stream("cpu", "some")
    return Meeting(
        model, noise(3, images, 3, 8, 8, seed=9), draws, mean, std, random, random, EAGER, 0, 0, logged=False, anew=True
    )


# --- the losses ---


def slow_layers(model, image: Tensor, met: Meeting, label: int) -> list[Tensor]:
    """What every block makes of one augmented image, and its embedding."""
    own = {name: value[label] for name, value in met.draws.items()}
    inputs = slow_augment(standardised(image, met.mean, met.std), own).unsqueeze(0)
    return [
        *(model.features(inputs, layer)[0].flatten() for layer in range(len(model.blocks))),
        model.features(inputs)[1].flatten(),
    ]


@pytest.mark.parametrize("weights", [[2.0, 0.5, 0.3, 0.1], [2.0, 0.5], [3.0]])
def test_the_alignment_is_the_weighted_distance_of_every_layers_means(weights):
    model, images = network(), noise(3, 2, 3, 8, 8)
    met = meeting(model)
    found = cafe.alignment(cafe.seen(model, images, met)[0], cafe.seen(model, met.real, met)[0], weights)
    of = [*weights, *[weights[-1]] * 4][:4][::-1]  # from the first block to the embedding
    for c in range(3):
        ours, real = ([slow_layers(model, image, met, c) for image in each[c]] for each in (images, met.real))
        expected = 0.0
        for layer in range(4):
            mine, theirs = (torch.stack([each[layer] for each in side]).mean(0) for side in (ours, real))
            expected += of[layer] * (mine - theirs).square().sum().item()
        assert found[c].item() == pytest.approx(expected, rel=1e-9)


@few
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_the_discrimination_is_the_cross_entropy_of_inner_products(seed, classes, count):
    embeddings, centres = noise(classes, count, 3, seed=seed), noise(classes, 3, seed=seed + 1)
    found = cafe.discrimination(embeddings, centres)
    for c in range(classes):
        expected = 0.0
        for point in embeddings[c].tolist():
            products = [sum(a * b for a, b in zip(point, centre, strict=True)) for centre in centres.tolist()]
            expected -= math.log(math.exp(products[c]) / sum(map(math.exp, products)))
        assert found[c].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_classes_in_groups_give_what_they_give_together(monkeypatch):
    model, images = network(), noise(3, 2, 3, 8, 8)
    met = meeting(model)
    whole = cafe.seen(model, images, met)
    monkeypatch.setattr(alignment, "images_at_once", lambda side: 3)
    parts = cafe.seen(model, images, met)
    torch.testing.assert_close((*parts[0], parts[1]), (*whole[0], whole[1]))


def test_a_step_descends_on_both_losses():
    """One step without momentum, at the published rate for normalised pixels, by autograd through each image alone."""
    made, data = small(image_lr=0.5, image_momentum=0.0, batch_real=5, discrimination=0.3, inner=1), dataset()
    run = Run(made, data)
    met = run.meeting(False)
    twin = stream("cpu", "copy")
    twin.set_state(met.networks.get_state())
    model = network().float()
    cafe.initialise(model, twin)
    pixels = run.state.images.clone().requires_grad_()
    real, ours = (
        [[slow_layers(model, image, met, c) for image in each[c]] for c in range(3)]
        for each in (met.real / 255, pixels)
    )
    means = [
        [[torch.stack([each[layer] for each in of]).mean(0) for layer in range(4)] for of in side]
        for side in (ours, real)
    ]
    loss = sum(
        w * (means[0][c][-1 - i] - means[1][c][-1 - i]).square().sum()
        for c in range(3)
        for i, w in enumerate((1.0, 1.0, 0.1, 0.1))
    )
    logits = torch.stack([torch.stack([each[-1] @ means[0][k][-1] for k in range(3)]) for of in real for each in of])
    loss = loss + 0.3 * F.cross_entropy(logits, torch.arange(3).repeat_interleave(5), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, pixels)
    found, _ = cafe.step(run.state, met, made)
    expected = run.state.images - 0.5 * torch.tensor(data.std).square().view(-1, 1, 1) * gradient
    torch.testing.assert_close(found.images, expected, rtol=1e-3, atol=1e-5)


# --- the watcher ---


def ended(accuracies: list[float], threshold: float, less: bool) -> int | None:
    """After how many looks the authors' loop ends, if it does: a list of the last ten, of which the first
    goes when an eleventh comes."""
    watched: list[float] = []
    for count, accuracy in enumerate(accuracies, 1):
        watched.append(accuracy)
        if len(watched) == 10:
            apart = max(watched) - min(watched)
            if apart < threshold if less else apart > threshold:
                return count
            watched.pop(0)
    return None


@few
@given(ACCURACIES, st.sampled_from([0.125, 0.325, 0.825]))
def test_decisions_are_those_of_the_authors_loop(accuracies, threshold):
    for decide, less in ((cafe.settled, True), (cafe.moved, False)):
        looks, found = cafe.unseen(torch.zeros(())), None
        for count, accuracy in enumerate(accuracies, 1):
            looks = cafe.looked(looks, torch.tensor(accuracy))
            found = count if found is None and decide(looks, threshold) else found
        assert found == ended(accuracies, threshold, less)


@pytest.mark.parametrize(
    ("moving", "expected"), [([0.0] * 30, 14), ([0.0, 0.5] * 15, 10), ([0.0] * 11 + [0.5] * 19, 12)]
)
def test_training_ends_when_the_accuracy_moved_and_what_comes_after_leaves_no_trace(moving, expected, monkeypatch):
    made, images = small(net_epochs=14, moved=0.1), noise(3, 2, 3, 8, 8)
    weights = []
    for bound in (14, expected):
        to_come, model = iter(moving), network()
        monkeypatch.setattr(
            cafe, "accuracy", lambda *_, to_come=to_come: torch.tensor(next(to_come), dtype=torch.float64)
        )
        counted = cafe.train(model, images, meeting(model), made | {"cafe": made["cafe"] | {"net_epochs": bound}})
        assert counted.item() == expected
        weights.append(cafe.weights_of(model))
    assert all(map(torch.equal, *weights)) and not torch.equal(weights[0][0], next(network().parameters()))


@pytest.mark.parametrize(
    ("settled", "inner", "expected"), [(1.1, 99, [*range(1, 11), 1, 2]), (0.0, 5, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2])]
)
def test_a_network_lives_until_its_accuracy_settles_or_its_steps_are_done(settled, inner, expected):
    run = Run(small(settled=settled, inner=inner, outer=12, net_epochs=1, net_lr=1e-4), dataset())
    steps, first = [], []
    for _ in range(12):
        run.advance(False)
        steps.append(run.state.steps.item())
        first.append(run.state.weights[0])
    assert steps == expected
    for i in range(1, 12):  # a new network has other weights; an old one has moved by a little
        assert ((first[i] - first[i - 1]).abs().max() > 0.05) == (steps[i] == 1)


def test_the_accuracy_is_that_on_random_images_of_every_classs_real_batch(monkeypatch):
    """Three of the first class's four images are bright; what is bright is taken for that class, else for the last."""
    model, real = network(), torch.zeros(3, 4, 3, 8, 8, dtype=torch.float64)
    real[0, 1:] = 1
    monkeypatch.setattr(model, "forward", lambda inputs: F.one_hot(torch.where(inputs.mean((1, 2, 3)) > 0, 0, 2), 3))
    found = cafe.accuracy(model, meeting(model)._replace(real=real), 999).item()
    assert found == pytest.approx((3 / 4 + 0 + 1) / 3, abs=0.02)


# --- the method ---


def test_it_lowers_what_it_descends_on():
    """On one network that does not train, without augmentation, from the start `mix`."""
    quiet: dict[str, Any] = {
        "matching_augment": [],
        "outer": 1,
        "inner": 40,
        "batch_real": 21,
        "image_lr_decay_at": [],
        "init": "mix",
    }
    run = Run(small(**quiet, image_lr=0.05, net_epochs=0, settled=0.0), dataset(side=8, count=3))
    values = [run.advance(False) for _ in range(40)]
    for scalar, share in (("loss", 0.7), ("discrimination", 1.0)):
        first, last = (sum(each[scalar].mean().item() for each in part) for part in (values[:3], values[-3:]))
        assert last < share * first


def test_any_network_will_do_and_one_image_a_class():
    run = Run(small(network="resnetap10") | {"ipc": 1}, dataset(side=16))
    assert all(value.isfinite().all() for value in run.advance(True).values())
