"""What a network trains on in an epoch, against loops over images and windows."""

import pytest
import torch
from references import enlarged
from tiny import network, noise, windowed
from torch import Tensor

from udd.costs.memory import Live
from udd.costs.sizes import Sizes
from udd.costs.workload import decoded
from udd.evaluation import chosen, views
from udd.methods import policies
from udd.networks.streams import stream
from udd.synthetic.regions import corner_boxes, grid_boxes
from udd.synthetic.sets import SyntheticSet

SIDE, COUNT = 16, 4


def a_set(**changes) -> SyntheticSet:
    """Four images of two classes."""
    grid = changes.get("decode") == "grid"
    own = windowed(**({"selected": 3} | changes))
    boxes = grid_boxes(SIDE, 2) if grid else corner_boxes(SIDE, own["scales"])
    config = {"idc": {}} if grid else {"udd": own}
    metadata = {"whole": not grid and own["decode"] == "regions", "mean": [0.5] * 3, "std": [0.2] * 3, "config": config}
    return SyntheticSet(noise(COUNT, 3, SIDE, SIDE).float(), torch.tensor([0, 0, 1, 1]), boxes, metadata)


def expected(made: SyntheticSet, chosen: list[list[int]]) -> tuple[Tensor, list[int]]:
    """The whole images, where they train too, and then the chosen windows of each, one by one."""
    found = (
        [(image, int(label)) for image, label in zip(made.images, made.labels, strict=True)]
        if made.metadata["whole"]
        else []
    )
    for image, label, numbers in zip(made.images, made.labels, chosen, strict=True):
        found += [(enlarged(image, made.windows[n].tolist()), int(label)) for n in numbers]
    return torch.stack([image for image, _ in found]), [label for _, label in found]


def agree(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, list[int]]) -> None:
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-6)
    assert found[1].tolist() == wanted[1]


@pytest.mark.parametrize("decode", ["regions", "windows", "grid"])
def test_every_view_is_image_by_image_and_window_by_window(decode):
    made = a_set(decode=decode)
    agree(views.every(made), expected(made, [list(range(len(made.windows)))] * COUNT))


@pytest.mark.parametrize("decode", ["regions", "grid"])
def test_views_take_little_more_memory_than_they_are(decode):
    """At most what the estimate of an evaluation counts with."""
    made = a_set(decode=decode)
    made = made._replace(images=noise(50, 3, SIDE, SIDE).float(), labels=torch.arange(50) % 2)
    with Live() as live:
        found, _ = views.every(made)
    foretold = decoded(len(found), 50, Sizes(3, SIDE, 2, 0, 0))
    assert found.nbytes < live.peak < foretold < 1.9 * live.peak


def test_a_coreset_is_its_images():
    made = a_set()._replace(windows=torch.zeros(0, 4, dtype=torch.int64))
    assert torch.equal(views.every(made)[0], made.images) and not views.changes(made, "searched")
    assert torch.equal(views.fixed(made, "random")[0], made.images)


@pytest.mark.parametrize("changes", [{"policy": "all"}, {"decode": "grid"}])
@pytest.mark.parametrize("reading", ["all", "searched", "random"])
def test_where_there_is_no_choice_the_views_do_not_change(changes, reading):
    made = a_set(**changes)
    assert not views.changes(made, reading)
    assert torch.equal(views.fixed(made, reading)[0], views.every(made)[0])


@pytest.mark.parametrize("policy", ["jitter", "activation", "gradient", "vote"])
def test_searched_views_are_the_windows_of_lowest_score_by_the_sets_own_policy(policy):
    made, model = a_set(policy=policy, selected=5), network(side=SIDE).float()
    mean, std = torch.tensor(made.metadata["mean"]), torch.tensor(made.metadata["std"])
    scores = policies.scores(
        model, made.images, made.labels, made.windows, mean, std, made.metadata["config"]["udd"], stream("cpu", "a")
    )
    lowest = [sorted(range(12), key=lambda n, row=row: (row[n].item(), n))[:5] for row in scores]
    with torch.no_grad():
        found = chosen.anew(made, "searched", model, stream("cpu", "a"))(made.images, made.labels)
    agree(found, expected(made, lowest))


@pytest.mark.parametrize("reading", ["searched", "random", "none"])
def test_views_that_change_are_made_of_the_images_alone(reading):
    made = a_set()
    images, labels = views.fixed(made, reading)
    assert torch.equal(images, made.images) and torch.equal(labels, made.labels)
    assert views.changes(made, reading) == (reading != "none")


def test_a_search_looks_at_the_network_as_it_becomes():
    made, model = a_set(policy="activation"), network(side=SIDE).float()
    epoch = chosen.anew(made, "searched", model, stream("cpu", "a"))
    first = epoch(made.images, made.labels)[0]
    assert torch.equal(epoch(made.images, made.labels)[0], first)
    with torch.no_grad():
        for weight, other in zip(model.parameters(), network(side=SIDE, seed=1).parameters(), strict=True):
            weight.copy_(other)
    assert not torch.equal(epoch(made.images, made.labels)[0], first)


def test_views_at_random_are_different_windows_any_as_likely_and_others_the_next_epoch():
    choose = chosen.at_random(3, 12, stream("cpu", "a"))
    drawn = torch.stack([choose(torch.zeros(COUNT, 1), torch.zeros(COUNT)) for _ in range(500)])  # [500, n, 3]
    assert all(len(set(row.tolist())) == 3 for row in drawn.flatten(0, 1))
    counts = drawn.flatten().bincount(minlength=12)
    assert (counts - 500).abs().max() < 110  # five standard deviations
    assert not torch.equal(drawn[0], drawn[1])
    made = a_set()
    epoch = chosen.anew(made, "random", network(side=SIDE).float(), stream("cpu", "a"))
    first, second = epoch(made.images, made.labels)[0], epoch(made.images, made.labels)[0]
    assert len(first) == COUNT * 4 and not torch.equal(first, second)
