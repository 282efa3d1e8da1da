"""Search policies against loops over images and windows, one image alone at a time."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from test_regions import brute_force_mean
from tiny import generator, network, noise, windowed
from torch import Tensor

from udd.errors import UserError
from udd.methods import policies
from udd.networks.architectures import images_at_once
from udd.synthetic.regions import corner_boxes, grid_boxes

ALL = ["third", "half", "two_thirds"]
MEAN, STD = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64), torch.tensor([0.2, 0.25, 0.3], dtype=torch.float64)
few = settings(deadline=None, max_examples=25)


def normalised(image: Tensor) -> Tensor:
    """One image [K, H, W] as a network's batch of one."""
    return torch.stack([(image[k] - MEAN[k]) / STD[k] for k in range(3)]).unsqueeze(0)


def means(values: Tensor, boxes: Tensor, side: int) -> list[float]:
    """A map's mean in every window. ConvNet-3 pads 28 pixels to 32, which its maps cover: a window
    lies two pixels further on."""
    grow = 2 if side == 28 and values.shape[-1] < 28 else 0
    moved = [[top + grow, left + grow, height, width] for top, left, height, width in boxes.tolist()]
    return [brute_force_mean(values, box, side + 2 * grow).item() for box in moved]


def block(layer: str | int) -> int:
    """A block's place among all, from `last` or a number counted from 1."""
    return layer - 1 if isinstance(layer, int) else -1


def activation_of(model, image: Tensor, boxes: Tensor, layer: str | int = "last") -> Tensor:
    """Eq. 1, one image."""
    maps, _ = model.features(normalised(image), block(layer))
    return torch.tensor(means(maps[0].mean(0).detach(), boxes, image.shape[-1]), dtype=torch.float64)


def gradient_of(model, image: Tensor, label: int, boxes: Tensor, layer: str | int) -> Tensor:
    """The gradient policy, one image alone."""
    pixels = image.clone().requires_grad_()
    maps, embedding = model.features(normalised(pixels), block(layer))
    loss = F.cross_entropy(model.classifier(embedding), torch.tensor([label]))
    gradient = torch.autograd.grad(loss, pixels)[0] if layer == "pixels" else torch.autograd.grad(loss, maps)[0][0]
    return torch.tensor(means(gradient.abs().mean(0), boxes, image.shape[-1]), dtype=torch.float64)


def change_of(model, image: Tensor, copies: list[Tensor], boxes: Tensor, layer: str | int = "last") -> Tensor:
    """Eqs. 2 to 4 place by place, one image and its jittered copies."""
    maps = [model.features(normalised(each), block(layer))[0][0].mean(0).detach() for each in (image, *copies)]
    changed = (maps[0] - sum(maps[1:]) / len(copies)).abs()
    return torch.tensor(means(changed, boxes, image.shape[-1]), dtype=torch.float64)


@pytest.fixture(params=[16, 28])
def images(request) -> Tensor:
    return noise(4, 3, request.param, request.param)


def close(found: Tensor, expected: list[Tensor]) -> None:
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-13)


def test_activation_is_the_mean_in_the_window_of_the_last_map(images):
    side = images.shape[-1]
    model, boxes = network(side=side), corner_boxes(side, ALL)
    close(
        policies.activation(model, images, boxes, MEAN, STD), [activation_of(model, image, boxes) for image in images]
    )


@pytest.mark.parametrize("layer", ["last", 2, "pixels"])
def test_gradient_is_that_of_each_image_alone(images, layer):
    side = images.shape[-1]
    model, boxes, labels = network(side=side), corner_boxes(side, ALL), torch.tensor([2, 0, 1, 0])
    expected = [
        gradient_of(model, image, label, boxes, layer) for image, label in zip(images, labels.tolist(), strict=True)
    ]
    close(
        policies.gradient(model, images, labels, boxes, MEAN, STD, None if layer == "pixels" else block(layer)),
        expected,
    )


@pytest.mark.parametrize("kind", ["gaussian", "uniform", "salt_and_pepper"])
def test_jitter_is_the_change_of_a_windows_mean_under_noise(images, kind):
    side = images.shape[-1]
    model, boxes, source = network(side=side), corner_boxes(side, ALL), generator()
    copies = [policies.jittered(images, kind, 0.05, source) for _ in range(3)]
    expected = []
    for i, image in enumerate(images):
        responses = [activation_of(model, copy[i], boxes) for copy in copies]
        expected.append((activation_of(model, image, boxes) - sum(responses) / 3).abs())
    close(policies.jitter(model, images, boxes, MEAN, STD, kind, 0.05, 3, generator()), expected)


@pytest.mark.parametrize("kind", ["gaussian", "uniform", "salt_and_pepper"])
def test_a_jitter_map_is_the_mean_of_every_places_change(images, kind):
    side = images.shape[-1]
    model, boxes, source = network(side=side), corner_boxes(side, ALL), generator()
    copies = [policies.jittered(images, kind, 0.05, source) for _ in range(3)]
    expected = [change_of(model, image, [copy[i] for copy in copies], boxes) for i, image in enumerate(images)]
    close(policies.jitter_map(model, images, boxes, MEAN, STD, kind, 0.05, 3, generator()), expected)


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_additive_noise_has_mean_0_and_deviation_sigma(kind):
    image = noise(8, 3, 60, 60)
    added = policies.jittered(image, kind, 0.05, generator()) - image
    assert abs(added.mean()) < 1e-3
    assert added.std().item() == pytest.approx(0.05, rel=0.02)
    if kind == "uniform":
        assert added.abs().max() <= 0.05 * 3**0.5
    else:
        assert (added.abs() > 0.15).double().mean().item() == pytest.approx(0.0027, rel=0.3)


def test_salt_and_pepper_replaces_a_share_of_the_pixels_in_all_channels():
    image = noise(8, 3, 60, 60) * 0.5 + 0.25
    jittered = policies.jittered(image, "salt_and_pepper", 0.1, generator())
    changed = (jittered != image).all(1)
    assert torch.equal(changed, (jittered != image).any(1))
    assert changed.double().mean().item() == pytest.approx(0.1, rel=0.1)
    values = jittered.movedim(1, 3)[changed]
    assert torch.isin(values, torch.tensor([0.0, 1.0], dtype=torch.float64)).all()
    assert values.mean().item() == pytest.approx(0.5, abs=0.05)


def test_two_copies_differ_and_the_same_generator_gives_the_same():
    image, source = noise(1, 3, 8, 8), generator()
    first, second = (policies.jittered(image, "gaussian", 0.05, source) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, policies.jittered(image, "gaussian", 0.05, generator()))


@few
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_ranks_are_a_permutation_that_sorts(values):
    places = policies.ranks(torch.tensor(values)).tolist()
    assert sorted(places) == list(range(len(values)))
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    assert [places[i] for i in order] == list(range(len(values)))


@few
@given(st.integers(0, 999), st.integers(1, 12))
def test_a_vote_counts_marks_and_breaks_ties_by_mean_rank(seed, selected):
    scores = [noise(3, 12, seed=seed + i) for i in range(3)]
    found = policies.ranks(policies.vote(scores, selected))
    for image in range(3):
        places = [sorted(range(12), key=lambda n, s=score: s[image, n].item()) for score in scores]
        votes = [sum(n in place[:selected] for place in places) for n in range(12)]
        total = [sum(place.index(n) for place in places) for n in range(12)]
        order = sorted(range(12), key=lambda n: (-votes[n], total[n], n))
        assert found[image].argsort().tolist() == order


def test_plain_ranking_leaves_scores_alone():
    scores = noise(2, 12)
    assert policies.reranked(scores, "plain") is scores


def test_ranking_within_scales_takes_the_lowest_of_every_scale_first():
    scores = noise(5, 12)
    found = policies.ranks(policies.reranked(scores, "within_scale"))
    for image in range(5):
        row = scores[image].tolist()
        within = [sorted(row[n // 4 * 4 : n // 4 * 4 + 4]).index(row[n]) for n in range(12)]
        order = sorted(range(12), key=lambda n: (within[n], row[n]))
        assert found[image].argsort().tolist() == order


def test_standardised_scores_have_mean_0_and_deviation_1_in_every_scale():
    scores = noise(50, 8) * torch.tensor([3.0] * 4 + [0.1] * 4) + torch.tensor([1.0] * 4 + [7.0] * 4)
    found = policies.reranked(scores, "standardised")
    for scale in (slice(0, 4), slice(4, 8)):
        values, before = found[:, scale], scores[:, scale]
        torch.testing.assert_close(values, (before - before.mean()) / before.std(correction=0))
    assert policies.reranked(torch.ones(2, 4), "standardised").isfinite().all()


CHANGES = [{"policy": policy} for policy in ("jitter", "jitter_map", "gradient", "activation", "vote")]
CHANGES += [{"policy": "jitter", "ranking": "within_scale"}, {"policy": "gradient", "search_layer": "pixels"}]
CHANGES += [{"policy": policy, "search_layer": 2} for policy in ("jitter", "jitter_map", "gradient", "activation")]
CHANGES += [
    {"policy": "vote", "scales": ["half"], "selected": 3},
    {"policy": "jitter", "jitter": "salt_and_pepper", "jitter_copies": 1},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: "-".join(map(str, changes.values())))
def test_search_ranks_every_image_by_the_policy_with_its_class_as_label(changes):
    distill = windowed(**changes)
    # At 16 pixels windows tie
    stack, model, boxes = noise(3, 2, 3, 28, 28), network(side=28), corner_boxes(28, distill["scales"])
    found = policies.search(model, stack, boxes, MEAN, STD, distill, generator())
    source, flat = generator(), stack.flatten(0, 1)
    copies = [policies.jittered(flat, distill["jitter"], 0.05, source) for _ in range(distill["jitter_copies"])]

    def scores_of(policy: str) -> Tensor:
        rows = []
        for c in range(3):
            for b in range(2):
                if policy == "gradient":
                    rows.append(gradient_of(model, stack[c, b], c, boxes, distill["search_layer"]))
                    continue
                if policy == "jitter_map":
                    own = [copy[2 * c + b] for copy in copies]
                    rows.append(change_of(model, stack[c, b], own, boxes, distill["search_layer"]))
                    continue
                row = activation_of(model, stack[c, b], boxes, distill["search_layer"])
                if policy == "jitter":
                    jittered = [
                        activation_of(model, copy[2 * c + b], boxes, distill["search_layer"]) for copy in copies
                    ]
                    row = (row - sum(jittered) / len(jittered)).abs()
                rows.append(row)
        return policies.reranked(torch.stack(rows), distill["ranking"])

    policy = distill["policy"]
    each = [scores_of(name) for name in ("jitter", "gradient", "activation")] if policy == "vote" else []
    scores = policies.vote(each, distill["selected"]) if each else scores_of(policy)
    assert torch.equal(found, policies.ranks(scores).view(3, 2, -1))
    assert found.dtype == torch.int64


def search(distill: dict, boxes: Tensor, seed: int = 0) -> Tensor:
    return policies.search(network(side=16), noise(3, 2, 3, 16, 16), boxes, MEAN, STD, distill, generator(seed))


def test_a_block_that_the_network_lacks_is_named():
    with pytest.raises(UserError, match="block 4 of a network with 3"):
        search(windowed(search_layer=4), corner_boxes(16, ALL))


@pytest.mark.parametrize("boxes", [corner_boxes(16, ALL), grid_boxes(16, 2)])
def test_nothing_is_searched_where_all_windows_are_taken(boxes):
    distill = windowed(policy="all")
    places = search(distill, boxes)
    everything = torch.arange(len(boxes)).expand(3, 2, -1)
    assert torch.equal(places, everything)
    assert torch.equal(policies.lowest(places, distill), everything)


def test_the_random_control_is_uniform_and_blind():
    distill, boxes = windowed(policy="random", selected=1), corner_boxes(16, ALL)
    counts = torch.zeros(12)
    for seed in range(200):
        chosen = policies.lowest(search(distill, boxes, seed), distill)
        counts += chosen.flatten().bincount(minlength=12)
    assert counts.sum() == 1200
    assert (counts - 100).abs().max() < 50  # five standard deviations
    assert torch.equal(search(distill, boxes, 3), search(distill, boxes, 3))


@pytest.mark.parametrize("selected", [1, 8, 12])
def test_the_lowest_windows_are_chosen(selected):
    places = policies.ranks(noise(3, 2, 12))
    chosen = policies.lowest(places, windowed(selected=selected))
    assert chosen.shape == (3, 2, selected)
    for row, order in zip(chosen.flatten(0, 1), places.flatten(0, 1), strict=True):
        assert order[row].tolist() == list(range(selected))


def test_search_leaves_images_and_network_without_gradients():
    model, stack = network(side=16), noise(3, 2, 3, 16, 16)
    policies.search(model, stack, corner_boxes(16, ALL), MEAN, STD, windowed(policy="vote"), generator())
    assert not stack.requires_grad
    assert all(weight.grad is None for weight in model.parameters())


def test_an_unknown_policy_is_an_error():
    with pytest.raises(ValueError, match="policy nearest: expected jitter"):
        search(windowed(policy="nearest"), corner_boxes(16, ALL))


@pytest.mark.parametrize("policy", ["activation", "gradient", "jitter", "vote"])
def test_how_many_images_at_once_changes_nothing(policy, monkeypatch):
    model, boxes, found = network(side=16), corner_boxes(16, ALL), []
    for each in (100, 3):
        monkeypatch.setattr(policies, "images_at_once", lambda side, each=each: each)
        found.append(
            policies.scores(
                model, noise(7, 3, 16, 16), torch.arange(7) % 3, boxes, MEAN, STD, windowed(policy=policy), generator()
            )
        )
    assert found[0].shape == (7, 12) and found[0].std() > 0
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)


def test_as_many_pixels_at_once_whatever_the_side():
    assert (images_at_once(32), images_at_once(16), images_at_once(224), images_at_once(5000)) == (512, 2048, 10, 1)
