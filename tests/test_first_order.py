"""First-order methods (DANCE, NCFM, UDD-features): a step of each by its definition, in float64 where it
can be, and what they lower."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from firstorder import METHODS, meeting, small
from runs import Run
from tiny import dataset, network, noise, of_method

from udd.config.caches import check_networks
from udd.errors import UserError
from udd.methods import alignment, dance, ncfm, udd_features
from udd.networks import augment
from udd.objectives.matching import Target
from udd.proxies import cached
from udd.synthetic.regions import decode


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
    quiet = {
        "matching_augment": [],
        "outer": 1,
        "inner": 60,
        "cache_networks": 1,
        "cache_ages": 1,
        "image_lr_decay_at": [],
        "batch_real": 21,
    }
    made = small(name, ipc=1, **(quiet | {"image_lr": {"dance": 50.0, "ncfm": 0.02, "udd-features": 0.02}[name]}))
    section, calibration = (
        name.replace("-", "_"),
        {"dance": 5.0, "ncfm": 1e5, "udd-features": 100.0}[name] * (scalar == "cross_entropy"),
    )
    run = Run(made | {section: made[section] | {"calibration": calibration}}, dataset(side=8, count=3))
    values = [run.advance(False)[scalar].mean().item() for _ in range(60)]
    assert sum(values[-3:]) < {"loss": 0.7, "cross_entropy": 0.97}[scalar] * sum(values[:3])


@pytest.mark.parametrize("name", ["dance", "ncfm"])
def test_a_step_is_that_of_the_two_views_on_two_networks(name, monkeypatch):
    """The distance by the network between two ages, the cross-entropy by the last one; images clamped before, and
    followed at the method's rate."""
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
        # The fourth step
        mean, square = (each / (1 - beta**4) for each, beta in zip(after.moments, (0.9, 0.999), strict=True))
        torch.testing.assert_close(moved, -0.15 * mean / (square.sqrt() + 1e-8), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dance", "ncfm"])
def test_real_images_are_seen_by_the_network_between_two_ages_as_synthetic_ones_are(name, monkeypatch):
    run, original, compared = Run(small(name), dataset()), alignment.alignment, []

    def spied(model, images, pairs, among, target, shares, distance, met):
        if shares[0]:
            real = alignment.real_embeddings(model, met).mean(1)
            expected = [real] if name == "dance" else ncfm.real_functions(met, target[2][0])
            torch.testing.assert_close(target, expected)
            compared.append(shares)
        return original(model, images, pairs, among, target, shares, distance, met)

    monkeypatch.setattr(run.method, "alignment", spied)
    run.advance(False)
    assert len(compared) == 1


@pytest.mark.parametrize("stored", [True, False])
def test_a_step_of_udd_features_follows_its_windows_towards_real_means(stored, monkeypatch):
    """One step, by the definition in float64: UDD's training set of images clamped before, the distance of means and
    calibration times the cross-entropy, Adam's second step."""
    made, model = small("udd-features", inner=2, image_lr=0.3, image_lr_decay_at=[]), network()
    real, seen = noise(3, model.classifier.in_features, seed=4), []
    met = meeting(model)._replace(inner=1, target=Target((), real) if stored else None)
    search = udd_features.training_set
    monkeypatch.setattr(
        udd_features, "training_set", lambda *given: seen.append((given[0].clone(), search(*given))) or seen[-1][1]
    )
    before = udd_features.State(
        3 * noise(3, 2, 3, 8, 8) - 1, (noise(3, 2, 3, 8, 8, seed=5), noise(3, 2, 3, 8, 8, seed=6))
    )
    after, scalars = udd_features.step(before, met, made)
    images, (pairs, among) = seen[0]
    torch.testing.assert_close(images, before.images.clamp(0, 1))
    assert pairs.shape == (3, 2 * (1 + made["udd"]["selected"]), 2)
    for c in range(3):
        pixels, draw = images[c].clone().requires_grad_(), augment.pick(met.draws, c)
        views = augment.apply(augment.normalise(decode(pixels, pairs[c], among), met.mean, met.std), draw)
        means = (
            real[c]
            if stored
            else model.features(augment.apply(augment.normalise(met.real[c], met.mean, met.std), draw))[1].mean(0)
        )
        embeddings = model.features(views)[1]
        apart = ((embeddings.mean(0) - means.detach()) ** 2).sum()
        entropy = F.cross_entropy(model.classifier(embeddings), torch.full((len(views),), c))
        (gradient,) = torch.autograd.grad(apart + made["udd_features"]["calibration"] * entropy, pixels)
        first, second = 0.9 * before.moments[0][c] + 0.1 * gradient, 0.999 * before.moments[1][c] + 0.001 * gradient**2
        expected = images[c] - 0.3 * (first / (1 - 0.9**2)) / ((second / (1 - 0.999**2)).sqrt() + 1e-8)
        torch.testing.assert_close(after.images[c], expected)
        torch.testing.assert_close(
            (scalars["loss"][c], scalars["cross_entropy"][c]), (apart.detach(), entropy.detach())
        )


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
