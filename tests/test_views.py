"""What an epoch trains on: each reading against the obvious, one image and one window at a time."""

import pytest
import torch
from references import enlarged
from test_synthetic import a_set as plain_set
from tiny import network, options
from torch import Tensor

from udd.evaluation import views
from udd.methods import policies
from udd.networks.streams import stream
from udd.synthetic.sets import SyntheticSet

SELECTED = 3


def a_set(whole: bool = True, **distill) -> SyntheticSet:
    """Four images of 9 x 9 in float64, of two classes, with eight corners (whole) or four tiles as windows."""
    made = plain_set(whole)
    config = {"distill": options(selected=SELECTED, jitter_copies=2, **distill)}
    return made._replace(images=made.images.double(), metadata=made.metadata | {"config": config})


def slowly(made: SyntheticSet, chosen: list[list[int]]) -> list[tuple[Tensor, int]]:
    """The whole images, where they are training images, then each image's chosen windows, enlarged."""
    whole = [(image, int(label)) for image, label in zip(made.images, made.labels, strict=True)]
    windows = []
    for image, label, mine in zip(made.images, made.labels.tolist(), chosen, strict=True):
        windows += [(enlarged(image, made.windows[number].tolist()), label) for number in mine]
    return (whole if made.metadata["whole"] else []) + windows


def same(found: tuple[Tensor, Tensor], expected: list[tuple[Tensor, int]]) -> None:
    torch.testing.assert_close(found[0], torch.stack([image for image, _ in expected]), rtol=0, atol=1e-6)
    assert found[1].tolist() == [label for _, label in expected]
    assert found[0].min() >= 0 and found[0].max() <= 1


@pytest.mark.parametrize("whole", [True, False])
def test_all_are_the_images_and_every_window(whole):
    made = a_set(whole)
    everything = [list(range(len(made.windows)))] * 4
    same(views.every(made), slowly(made, everything))
    same(views.fixed(made, "all"), slowly(made, everything))


@pytest.mark.parametrize("reading", ["all", "searched", "random", "none"])
def test_a_set_without_windows_is_its_images_by_every_reading(reading):
    made = a_set()._replace(windows=torch.zeros(0, 4, dtype=torch.int64))
    images, labels = views.fixed(made, reading)
    assert torch.equal(images, made.images) and torch.equal(labels, made.labels)
    assert not views.changes(made, reading)


@pytest.mark.parametrize("reading", ["searched", "random", "none"])
def test_views_that_change_are_made_of_the_images_alone(reading):
    made = a_set()
    images, labels = views.fixed(made, reading)
    assert torch.equal(images, made.images) and torch.equal(labels, made.labels)
    assert views.changes(made, reading) == (reading != "none")


@pytest.mark.parametrize("distill", [{"policy": "all"}, {"decode": "grid"}])
def test_a_set_that_takes_every_window_has_no_views_that_change(distill):
    made = a_set(**distill)
    for reading in ("searched", "random"):
        assert not views.changes(made, reading)
        assert torch.equal(views.fixed(made, reading)[0], views.every(made)[0])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("policy", ["jitter", "gradient", "activation", "vote", "random"])
def test_searched_are_the_windows_of_lowest_score_for_the_network_as_it_is(policy, whole):
    made, net = a_set(whole, policy=policy), network(1, 9, 2)
    distill = made.metadata["config"]["distill"]
    epoch, reference = views.anew(made, "searched", net, stream("cpu", "views")), stream("cpu", "views")
    for _ in range(2):
        mean, std = torch.tensor(made.metadata["mean"]), torch.tensor(made.metadata["std"])
        scores = policies.scores(net, made.images, made.labels, made.windows, mean, std, distill, reference)
        lowest = [sorted(range(len(row)), key=row.__getitem__)[:SELECTED] for row in scores.tolist()]
        with torch.no_grad():  # as in a check-up
            same(epoch(made.images, made.labels), slowly(made, lowest))
        with torch.no_grad():
            for weight in net.parameters():  # it looks at the network as it becomes
                weight.mul_(-0.7)


@pytest.mark.parametrize("whole", [True, False])
def test_random_windows_are_different_ones_of_each_image_and_drawn_anew(whole):
    made = a_set(whole)
    count = len(made.windows)
    epoch, reference = views.anew(made, "random", network(1, 9, 2), stream("cpu", "views")), stream("cpu", "views")
    for _ in range(3):
        draws = torch.rand(4, count, generator=reference).tolist()
        chosen = [sorted(range(count), key=row.__getitem__)[:SELECTED] for row in draws]
        same(epoch(made.images, made.labels), slowly(made, chosen))


def test_any_window_is_as_likely():
    choose = views.at_random(2, 5, stream("cpu", "likely"))
    chosen = choose(torch.zeros(20_000, 1, 1, 1), torch.zeros(20_000))
    assert chosen.shape == (20_000, 2) and (chosen[:, 0] != chosen[:, 1]).all()
    share = torch.bincount(chosen.flatten(), minlength=5) / 20_000
    torch.testing.assert_close(share, torch.full((5,), 0.4), rtol=0, atol=0.02)
