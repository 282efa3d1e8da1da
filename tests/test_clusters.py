"""Real batches by clusters (DREAM): k-means by its properties, against all partitions; whom it chooses and when;
what a default leaves alone."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run, cache, states
from tiny import config, dataset, noise, of_method, params
from torch import Tensor

from udd.config.caches import cache_config, check_networks
from udd.config.plan import Cell, canonical, set_config
from udd.config.requested import all_cells
from udd.costs import schedule
from udd.costs.sizes import Sizes
from udd.errors import UserError
from udd.methods import modules
from udd.networks import clustering
from udd.networks.augment import as_float, normalise
from udd.networks.streams import stream
from udd.proxies import cached, clusters, fresh

few = settings(deadline=None, max_examples=40)
SEEDS, COUNTS = st.integers(0, 10**6), st.tuples(st.integers(1, 12), st.integers(1, 12)).map(sorted)


def cost(points: Tensor, centres: Tensor, nearest: Tensor) -> float:
    """What k-means lowers: the sum over points of the squared distance from the centre."""
    return sum((point - centres[of]).square().sum().item() for point, of in zip(points, nearest.tolist(), strict=True))


# --- k-means ---


@few
@given(SEEDS, COUNTS)
def test_every_centre_is_the_mean_of_its_points_and_every_point_is_with_its_nearest(seed, counts):
    count, many = counts
    points = noise(many, 3, seed=seed)
    centres, nearest = clustering.kmeans(points, count, stream("cpu", seed))
    for number, centre in enumerate(centres):
        if (nearest == number).any():
            torch.testing.assert_close(centre, points[nearest == number].mean(0))
    apart = torch.stack([torch.stack([(point - centre).square().sum() for centre in centres]) for point in points])
    torch.testing.assert_close(apart.gather(1, nearest.unsqueeze(1))[:, 0], apart.min(1).values)


@few
@given(SEEDS, COUNTS)
def test_the_cost_never_rises(seed, counts):
    count, many = counts
    points, random = noise(many, 2, seed=seed), noise(count, 2, seed=seed + 1)
    centres, costs = random, []
    for _ in range(6):
        nearest = clustering.distances(points, centres).argmin(1)
        costs.append(cost(points, centres, nearest))
        centres = clustering.means(points, nearest, centres)
        costs.append(cost(points, centres, nearest))
    assert all(after <= before + 1e-12 for before, after in zip(costs, costs[1:], strict=False))


def test_groups_that_lie_apart_are_found():
    """The best of all partitions, of three groups whose starts fall into different ones."""
    points = torch.cat([noise(3, 2, seed=i) + 10 * torch.tensor([i == 1, i == 2]) for i in range(3)])
    best = min(cost(points, means_of(points, labels), torch.tensor(labels)) for labels in product(range(3), repeat=9))
    found = [clustering.kmeans(points, 3, stream("cpu", seed)) for seed in range(8)]
    assert min(cost(points, *each) for each in found) == pytest.approx(best)


def means_of(points: Tensor, labels: tuple[int, ...]) -> Tensor:
    """The mean of each label's points; of a label without any, nowhere near."""
    each = [[point for point, of in zip(points, labels, strict=True) if of == label] for label in range(3)]
    return torch.stack([torch.stack(own).mean(0) if own else torch.full((2,), 1e6, dtype=points.dtype) for own in each])


@few
@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_representatives_are_the_points_nearest_to_the_centres(seed, many, count):
    points = noise(many, 3, seed=seed)
    found = clustering.representatives(points, count, stream("cpu", seed))
    assert found.shape == (count,)
    if count >= many:
        assert set(found.tolist()) == set(range(many))
    centres, _ = clustering.kmeans(points, min(count, many), stream("cpu", seed))
    for centre, chosen in zip(centres, found.tolist(), strict=False):
        assert (points[chosen] - centre).norm() == pytest.approx(
            min((point - centre).norm().item() for point in points), abs=1e-9
        )


def test_equal_points_leave_a_cluster_empty_and_do_no_harm():
    centres, nearest = clustering.kmeans(torch.ones(5, 2), 3, stream("cpu", 0))
    assert torch.equal(centres, torch.ones(3, 2)) and len(set(nearest.tolist())) == 1


# --- whom it chooses ---


def test_each_class_is_chosen_by_its_own_embeddings():
    data = dataset(count=20)
    section, index = config(real_batch="clusters")["distill"], fresh.class_index(data.train_labels, 3)
    model = fresh.start(data, section, 0).network
    found = clusters.chosen(model, data, index, section, stream("cpu", "k"))
    random = stream("cpu", "k")
    for label in range(3):
        own = [i for i in range(20) if i % 3 == label]
        inputs = normalise(as_float(data.train_images[own]), data.mean, data.std)
        points = model.features(inputs)[1].detach()
        assert found[label].tolist() == [own[i] for i in clustering.representatives(points, 5, random).tolist()]


@pytest.mark.parametrize(("inner", "outer", "expected"), [(5, 2, [0, 2, 4, 5, 7, 9]), (1, 6, [0, 2, 4])])
def test_batches_are_chosen_anew_as_often_as_asked(inner, outer, expected, monkeypatch):
    seen, right = [], clusters.chosen
    run = Run(config(method="idc", real_batch="clusters", cluster_every=2, inner=inner, outer=outer), dataset())
    monkeypatch.setattr(clusters, "chosen", lambda *given: seen.append(run.done) or right(*given))
    for _ in range(run.total):
        run.advance(False)
    assert seen == expected == [i for i in range(run.total) if clusters.due(run.options, *divmod(i, inner))]
    assert schedule.searches(run.options) == len(expected)


def test_a_step_meets_the_chosen_images_and_the_rest_of_the_run_is_paired():
    """The same networks and augmentation as with random batches; another set."""
    data = dataset()
    made = [config(method="idc", real_batch=which) for which in ("random", "clusters")]
    runs = [Run(each, data) for each in made]
    met = [run.meeting(False) for run in runs]
    assert all(torch.equal(met[0].draws[name], met[1].draws[name]) for name in met[0].draws)
    for label in range(3):
        for image in met[1].real[label]:
            assert any(torch.equal(image, data.train_images[i]) for i in range(label, 21, 3))
    plain, chosen = (states(each, data)[-1] for each in made)
    same = {name for name in plain if torch.equal(plain[name], chosen[name])}
    assert {
        "random/draws",
        "random/training",
        *(name for name in plain if name.startswith("network/")),
    } <= same and "state/images" not in same


def test_a_cached_draw_is_of_its_own_chosen_batch():
    """Five clusters of five images are all of them: the features of the whole class."""
    data = dataset(count=15)
    made = of_method("dm", batch_real=5, matching_augment=[])
    made = made | {"distill": made["distill"] | {"networks": "cached", "real_batch": "clusters", **CACHE}}
    folder, model = cache(made, data), fresh.fresh_network(data, made["distill"], torch.Generator())
    _, target = cached.recall(cached.member_path(folder, 0), model, 1, 0)
    for label in range(3):
        inputs = normalise(as_float(data.train_images[label::3]), data.mean, data.std)
        torch.testing.assert_close(
            target.features[label], model.features(inputs)[1].mean(0).detach(), rtol=1e-2, atol=1e-3
        )


CACHE: dict[str, Any] = {"cache_networks": 1, "cache_ages": 2, "cache_spacing": 1, "cache_draws": 1, "cache_seed": 0}


# --- what it leaves alone, and refuses ---


def test_an_edit_of_clusters_concerns_no_set_of_random_batches():
    for cell in all_cells(params()):
        found = set_config(params(), cell, 0)
        assert not {"real_batch", "cluster_every"} & found.get("distill", {}).keys() and not {
            "udd.proxies.clusters",
            "udd.synthetic.representative",
        } & set(modules(found))
    ours = set_config(params(), Cell("cifar10", 10, "dream"), 0)
    assert (
        ours["distill"].items()
        >= {"real_batch": "clusters", "cluster_every": 10, "init": "mix_clusters", "batch_real": 128}.items()
    )
    assert {"udd.proxies.clusters", "udd.synthetic.representative"} <= set(modules(ours))


def test_a_cache_knows_its_real_batches_only_where_they_are_chosen():
    of = (("random", 10), ("clusters", 10), ("clusters", 3))
    random, chosen, often = (config(networks="cached", real_batch=which, cluster_every=every) for which, every in of)
    assert "real_batch" not in cache_config(random)["distill"]
    assert canonical(cache_config(random)) != canonical(cache_config(chosen)) == canonical(cache_config(often))


def test_a_method_that_meets_no_real_batch_refuses_to_choose_it():
    made = of_method("mtt")
    with pytest.raises(UserError, match="mtt meets no real batch"):
        check_networks(made | {"distill": made["distill"] | {"real_batch": "clusters"}})


def test_what_choosing_costs_is_foretold():
    made, small = config(method="idc", real_batch="clusters", cluster_every=1)["distill"], Sizes(3, 8, 3, 21, 6)
    more, plain = (schedule.shared_steps(each, small, False) for each in (made, made | {"real_batch": "random"}))
    assert {step.kind: count * step.images for step, count in more.items() if step not in plain} == {"forward": 4 * 21}
