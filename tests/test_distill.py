"""Algorithm 1 on a tiny problem: its start, its updates, that it learns, what is stored. The
networks' side is in test_trajectory."""

import pytest
import torch
import torch.nn.functional as F
from runs import Run
from tiny import config, dataset, of_method, options
from torch import Tensor

from udd import methods
from udd.errors import UserError
from udd.evaluation.views import every
from udd.methods import descent, policies
from udd.methods.udd import begin
from udd.methods.updates import learning_rate
from udd.networks.architectures import build
from udd.networks.augment import normalise
from udd.networks.clustering import representatives
from udd.objectives.matching import Matched, matching_step, mean_features
from udd.synthetic import initial, representative
from udd.synthetic.regions import corner_boxes, grid_boxes


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- the start ---


@pytest.mark.parametrize("ipc", [1, 3])
def test_a_real_start_is_different_images_of_each_class(ipc):
    data = dataset()
    images = initial.real(data.train_images, data.train_labels, 3, ipc, generator())
    assert images.shape == (3, ipc, 3, 8, 8) and images.dtype == torch.float32
    for label in range(3):
        source = [i for image in images[label] for i in range(21) if torch.equal(image, data.train_images[i] / 255)]
        assert len(set(source)) == ipc
        assert data.train_labels[source].eq(label).all()


@pytest.mark.parametrize(("side", "factor"), [(8, 2), (9, 2), (8, 3), (8, 1)])
def test_a_mixed_start_is_a_grid_of_down_sized_images_of_the_class(side, factor):
    data = dataset(side=side, count=60)
    images = initial.mix(data.train_images, data.train_labels, 3, 2, factor, generator())
    for label in range(3):
        used = []
        for image in images[label]:
            for top, left, height, width in grid_boxes(side, factor).tolist():
                cell = image[:, top : top + height, left : left + width]
                small = F.interpolate(data.train_images / 255, (height, width), mode="area")
                used += (small - cell).abs().amax((1, 2, 3)).lt(1e-6).nonzero()[:, 0].tolist()
        assert len(used) == len(set(used)) == 2 * factor**2
        assert data.train_labels[used].eq(label).all()


@pytest.mark.parametrize("factor", [1, 2])
def test_a_start_from_clusters_is_a_grid_of_images_that_stand_for_their_class(factor):
    """As many clusters as images take all of them; of fewer, each is the nearest to the mean of those that are
    nearer to it than to another."""
    data, ipc = dataset(count=24), 8 // factor**2
    made = config(ipc=ipc, init="mix_clusters", factor=factor)
    images = initial.start(made, data, generator())
    assert images.shape == (3, ipc, 3, 8, 8) and images.dtype == torch.float32
    for label in range(3):
        cells = [
            image[:, t : t + h, left : left + w]
            for image in images[label]
            for t, left, h, w in grid_boxes(8, factor).tolist()
        ]
        small = F.interpolate(data.train_images[label::3] / 255, cells[0].shape[1:], mode="area")
        found = [int((small - cell).abs().amax((1, 2, 3)).argmin()) for cell in cells]
        assert sorted(found) == list(range(8)) and all(
            (small[i] - cell).abs().max() < 1e-6 for i, cell in zip(found, cells, strict=True)
        )


def test_images_that_stand_for_a_class_are_those_of_its_clusters():
    data, options = dataset(count=60), config(precision="float32")["distill"]
    found = representative.stand_ins(options, data, 4, generator())
    random = generator()
    model = build(options["network"], 3, 8, 3, options["width"], random)
    for label in range(3):
        own = data.train_images[label::3]
        points = model.features(normalise(own / 255, data.mean, data.std))[1].detach()
        assert torch.equal(found[label], own[representatives(points, 4, random)])


def test_a_start_from_noise_is_normal_for_the_network():
    data = dataset(side=32)._replace(mean=[0.1, 0.5, 0.9], std=[0.1, 0.2, 0.3])
    made = of_method("dc", ipc=30)
    assert made["distill"]["init"] == "noise"
    images = initial.start(made, data, generator())
    assert images.shape == (3, 30, 3, 32, 32) and images.dtype == torch.float32
    normal = (images - torch.tensor(data.mean).view(-1, 1, 1)) / torch.tensor(data.std).view(-1, 1, 1)
    assert (normal.mean((0, 1, 3, 4)).abs() < 0.01).all() and (normal.std((0, 1, 3, 4)) - 1).abs().max() < 0.01
    assert torch.equal(images, initial.start(made, data, generator())) and not torch.equal(
        images, initial.start(made, data, generator(1))
    )


def test_a_class_with_too_few_images_for_a_mix_gives_them_again():
    """Of two images a class each comes twice before one comes a third time."""
    data = dataset(count=6)
    drawn = initial.draw_real(data.train_images, data.train_labels, 3, 5, generator())
    assert drawn.shape == (3, 5, 3, 8, 8)
    for label in range(3):
        own = data.train_images[label::3]
        assert sorted(drawn[label].eq(image).flatten(1).all(1).sum().item() for image in own) == [2, 3]


def test_seed_and_ipc_decide_the_start_and_the_policy_does_not():
    data = dataset()
    configs = [config(), config(), config(policy="random"), config(seed=1)]
    first, again, policy, seed = (Run(each, data).state.images for each in configs)
    assert torch.equal(first, again) and torch.equal(first, policy)
    assert not torch.equal(first, seed)
    made = begin(config(init="mix"), data, generator())
    assert not made.velocity.any() and made.averages.shape == (3, 0)


# --- the images' side ---


@pytest.mark.parametrize(
    ("outer", "factor"), [(0, 1), (1199, 1), (1200, 0.5), (1599, 0.5), (1600, 0.25), (1800, 0.125), (1999, 0.125)]
)
def test_the_rate_is_halved_thrice(outer, factor):
    schedule = options(image_lr_decay_at=[0.6, 0.8, 0.9], outer=2000)
    assert learning_rate(schedule, outer) == pytest.approx(0.005 * factor)


@pytest.fixture
def matched(monkeypatch) -> list[Matched]:
    """What every step's matching gave."""
    found: list[Matched] = []

    def noted(*args):
        found.append(matching_step(*args))
        return found[-1]

    monkeypatch.setattr(descent, "matching_step", noted)
    return found


@pytest.mark.parametrize("ipc", [1, 2])
def test_a_step_descends_with_momentum_by_a_rate_scaled_by_ipc_and_moves_the_averages(monkeypatch, matched, ipc):
    begun: list[Tensor] = []
    monkeypatch.setattr(descent, "mean_features", lambda *args: begun.append(mean_features(*args)) or begun[-1])
    run = Run(config(ipc=ipc, image_lr=0.5, cfc_average=0.75), dataset())
    images, velocity = run.state.images.clone(), 0.0
    for step in range(4):
        averages = run.state.averages
        run.advance(False)
        rate = 0.5 * ipc / 10 * (0.5 if step >= 2 else 1)  # halved at the second network
        velocity = 0.5 * velocity + matched[-1].gradient
        images = images - rate * velocity
        images = images.clamp(0, 1) if step % 2 else images  # at the end of a network
        torch.testing.assert_close(run.state.images, images, rtol=0, atol=1e-6)
        before = averages if step % 2 else begun[step // 2]  # F starts anew with every network
        torch.testing.assert_close(run.state.averages, 0.75 * before + 0.25 * matched[-1].features)
    assert len(begun) == 2


def test_search_and_matching_are_given_the_datas_mean_and_deviation_in_their_places(monkeypatch):
    data, seen = dataset()._replace(mean=[0.4, 0.5, 0.6], std=[0.1, 0.2, 0.3]), {}

    def noted(name, real):
        def call(*args):
            seen[name] = [each.tolist() for each in args if isinstance(each, Tensor) and each.shape == (3,)]
            return real(*args)

        return call

    for module, name in ((policies, "search"), (descent, "matching_step"), (descent, "mean_features")):
        monkeypatch.setattr(module, name, noted(name, getattr(module, name)))
    Run(config(), data).advance(False)
    places = [pytest.approx(data.mean), pytest.approx(data.std)]
    assert seen == dict.fromkeys(("search", "matching_step", "mean_features"), places)


def test_pixels_are_clamped_when_a_network_ends_and_in_the_stored_set():
    run = Run(config(image_lr=500.0), dataset())
    run.advance(False)
    loose = run.state.images
    assert loose.max() > 1 and loose.min() < 0
    stored = run.finished().images
    torch.testing.assert_close(stored, loose.clamp(0, 1).flatten(0, 1))
    run.advance(False)
    assert run.state.images.min() == 0 and run.state.images.max() == 1


LEARNING = [{"image_lr": 0.5}, {"distance": "l1", "image_lr": 0.02, "selected": 2}, {"init": "mix", "image_lr": 0.3}]


@pytest.mark.parametrize("changes", LEARNING, ids=str)
def test_distillation_lowers_the_gradient_distance(changes):
    data = dataset(side=12, count=3)  # one real image a class: the same target at every step
    quiet = {
        "net_images": 0,
        "matching_augment": [],
        "batch_real": 2,
        "cfc": False,
        "policy": "all",
        "inner": 30,
        "outer": 1,
        "ipc": 1,
    }
    run = Run(config(**(quiet | changes)), data)
    losses = [run.advance(False)["loss_gradient"].mean().item() for _ in range(30)]
    assert max(losses[-3:]) < (0.95 if "distance" in changes else 0.8) * losses[0]


def test_cfc_lowers_its_own_loss():
    data = dataset(count=9)
    quiet = {
        "net_images": 0,
        "image_lr_decay_at": [],
        "matching_augment": [],
        "policy": "all",
        "cfc_weight": 1000.0,
        "cfc_average": 0.9,
        "inner": 40,
        "outer": 1,
        "image_lr": 0.1,
    }
    run = Run(config(**quiet), data)
    losses = [run.advance(False)["loss_cfc"].mean().item() for _ in range(40)]
    assert losses[-1] < losses[0] - 0.01


# --- what is stored ---


def test_the_end_of_a_network_moves_on_to_the_next():
    run, found = Run(config(outer=2, inner=2), dataset()), []
    for _ in range(4):
        run.advance(False)
        found.append((run.trajectory.outer, run.trajectory.inner))
    assert found == [(0, 1), (1, 0), (1, 1), (2, 0)]


@pytest.mark.parametrize(
    ("changes", "images"),
    [({}, 13), ({"policy": "all"}, 13), ({"method": "idc"}, 4), ({"decode": "windows"}, 12), ({"scales": ["half"]}, 5)],
)
def test_a_finished_set_decodes_to_its_training_images(changes, images):
    data = dataset()
    run = Run(config(**changes), data)
    for _ in range(4):
        run.advance(False)
    made = methods.module(run.config["method"]).finish(run.state, data, run.config, {"code": "abc"})
    assert made.images.shape == (6, 3, 8, 8) and made.images.dtype == torch.float32
    assert made.labels.tolist() == [0, 0, 1, 1, 2, 2]
    boxes = corner_boxes(8, run.config["udd"]["scales"]) if "udd" in run.config else grid_boxes(8, 2)
    assert torch.equal(made.windows, boxes)
    assert made.metadata["config"] == run.config and made.metadata["provenance"] == {"code": "abc"}
    assert (made.metadata["dataset"], made.metadata["classes"], made.metadata["mean"]) == (
        "tiny",
        data.classes,
        data.mean,
    )
    decoded, labels = every(made)
    assert len(decoded) == 6 * images
    assert labels.bincount().tolist() == [2 * images] * 3


def test_a_snapshot_is_the_set_of_a_schedule_that_ends_there():
    data = dataset()
    long, short = (Run(config(outer=outer, image_lr_decay_at=[]), data) for outer in (3, 1))
    for run in (long, short):
        run.advance(False)
        run.advance(False)
    early, whole = (run.finished(1) for run in (long, short))
    assert torch.equal(early.images, whole.images)
    assert early.metadata == whole.metadata


def test_no_snapshot_is_kept_of_what_is_no_number(tmp_path):
    run = Run(config(outer=3), dataset())
    run.broken[1] = 1
    with pytest.raises(UserError, match="not finite at iteration 1"):
        run.snapshot(tmp_path / "set.safetensors")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("cfc", "broken"), [(False, [0, 2, 0]), (True, [3, 2, 3])])
def test_the_first_iteration_that_is_not_finite_is_remembered(cfc, broken):
    run = Run(config(cfc=cfc), dataset())
    run.advance(False)
    run.state.images[1, 0, 0, 0, 0] = float("nan")
    for _ in range(3):
        run.advance(False)
    assert run.broken.tolist() == broken  # with CFC the other classes follow, through the averages
