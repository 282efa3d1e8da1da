"""Algorithm 1 on a tiny problem: its start, its updates, its bits, and that it learns."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import config, dataset, options
from torch import Tensor

from udd import checkpoint, distill, initial
from udd.data import Dataset
from udd.distill import Distilled, advance, begin, end_network, finished, learning_rate, region_mask
from udd.matching import Matched, mean_features
from udd.regions import grid_boxes
from udd.synthetic import training_images
from udd.trajectory import Trajectory, class_index, new_network, real_batches, shared_part, start, train_network

State = dict[str, Tensor]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def state(trajectory: Trajectory, sets: list[Distilled]) -> State:
    """Everything that decides how a run goes on, copied."""
    found: State = {"place": torch.tensor([trajectory.outer, trajectory.inner])}
    found |= {"draws": trajectory.draws.get_state(), "training": trajectory.training.get_state()}
    for name, weight in trajectory.network.named_parameters():
        found[f"weight {name}"] = weight.detach()
        momentum = trajectory.optimizer.state.get(weight, {}).get("momentum_buffer")
        if momentum is not None:
            found[f"momentum {name}"] = momentum
    for i, made in enumerate(sets):
        found |= {f"images {i}": made.images, f"velocity {i}": made.velocity, f"random {i}": made.generator.get_state(), f"broken {i}": made.broken}
        found |= {f"averages {i}": made.averages} if made.averages is not None else {}
        found |= {f"places {i}": torch.stack(made.places), f"mask {i}": region_mask(made)} if made.places else {}
    return {name: value.clone() for name, value in found.items()}


def same(a: State, b: State) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


class Run:
    """A run in this process, step by step."""

    def __init__(self, configs: list[dict[str, Any]], data: Dataset):
        self.configs, self.data = configs, data
        self.trajectory = start(data, configs[0]["distill"], configs[0]["seed"])
        self.sets = [begin(config, data) for config in configs]

    def step(self, parts: bool = False) -> list[Matched]:
        return advance(self.trajectory, self.sets, self.data, class_index(self.data.train_labels, len(self.data.classes)), parts)

    def state(self) -> State:
        return state(self.trajectory, self.sets)

    @property
    def length(self) -> int:
        return self.configs[0]["distill"]["outer"] * self.configs[0]["distill"]["inner"]


def states(configs: list[dict[str, Any]], data: Dataset) -> list[State]:
    """The state after every step of an uninterrupted run."""
    run, found = Run(configs, data), []
    for _ in range(run.length):
        run.step()
        found.append(run.state())
    return found


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


def test_a_class_with_too_few_images_for_a_mix_gives_them_again():
    data = dataset(count=6)
    assert initial.draw_real(data.train_images, data.train_labels, 3, 5, generator()).shape == (3, 5, 3, 8, 8)


def test_seed_and_ipc_decide_the_start_and_the_policy_does_not():
    data = dataset()
    configs = [config(), config(), config(policy="random"), config(seed=1)]
    first, again, policy, seed = (begin(each, data).images for each in configs)
    assert torch.equal(first, again) and torch.equal(first, policy)
    assert not torch.equal(first, seed)
    made = begin(config(init="mix"), data)
    assert not made.velocity.any() and made.averages is None and not made.places


# --- the networks' side ---


def test_the_trajectory_depends_on_nothing_that_concerns_the_images():
    cases: list[dict[str, Any]] = [{}, {"ipc": 1, "policy": "vote", "cfc": False, "image_lr": 0.1}, {"seed": 1}]
    data = dataset()
    runs = [Run([config(**changes)], data) for changes in cases]
    for run in runs:
        for _ in range(run.length):
            run.step()
    weights = [torch.cat([weight.flatten() for weight in run.trajectory.network.parameters()]) for run in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_shared_part_holds_what_the_networks_see():
    part = shared_part(options())
    assert {"network", "width", "outer", "inner", "batch_real", "matching_augment", "net_lr", "cutmix_p", "matched"} <= part.keys()
    assert not {"policy", "selected", "image_lr", "cfc", "init", "distance", "max_pairs", "decode"} & part.keys()


def test_real_batches_are_of_their_class_and_cover_it():
    data = dataset(count=20)  # 7, 7 and 6 images a class
    index, trajectory = class_index(data.train_labels, 3), start(data, options(), 0)
    assert index[1].tolist() == [7, 7, 6]
    seen: list[set[int]] = [set(), set(), set()]
    for _ in range(30):
        images, draws = real_batches(trajectory, data, index, options())
        assert images.dtype == torch.uint8 and images.shape == (3, 5, 3, 8, 8)
        assert draws["color"].shape == (3, 3) and draws["affine"].shape == (3, 3, 3)
        for label in range(3):
            seen[label] |= {i for image in images[label] for i in range(20) if torch.equal(image, data.train_images[i])}
    assert [sorted(of_class) for of_class in seen] == [[i for i in range(20) if i % 3 == label] for label in range(3)]


@pytest.mark.parametrize(("images", "steps"), [(0, 0), (1, 1), (4, 1), (6, 2), (50, 13)])
def test_the_network_takes_as_many_steps_as_its_images_make_batches(images, steps, monkeypatch):
    seen = []

    def step(network, optimizer, batch, labels, *rest):
        seen.append(batch)
        assert torch.equal(labels, torch.tensor([next(i % 3 for i in range(21) if torch.equal(image, data.train_images[i])) for image in batch]))

    data, section = dataset(), options()
    monkeypatch.setattr("udd.trajectory.sgd_step", step)
    train_network(start(data, section, 0), data, section, images)
    assert [len(batch) for batch in seen] == [4] * steps
    if steps == 2:
        assert len(torch.cat(seen).unique(dim=0)) == 8  # none twice before all were seen


def test_a_new_network_is_random_and_trained_beforehand_if_asked(monkeypatch):
    data = dataset()
    trajectory = start(data, options(), 0)
    before = [weight.detach().clone() for weight in trajectory.network.parameters()]
    new_network(trajectory, data, options())
    assert not torch.equal(before[0], next(iter(trajectory.network.parameters())))
    assert not trajectory.optimizer.state
    counted = []
    monkeypatch.setattr("udd.trajectory.sgd_step", lambda network, optimizer, batch, *rest: counted.append(len(batch)))
    new_network(trajectory, data, options(pretrain_epochs=2))
    assert sum(counted) == 44  # 42 images, in whole batches of 4


# --- the images' side ---


@pytest.mark.parametrize(("outer", "factor"), [(0, 1), (1199, 1), (1200, 0.5), (1599, 0.5), (1600, 0.25), (1800, 0.125), (1999, 0.125)])
@pytest.mark.parametrize("ipc", [1, 10, 50])
def test_the_rate_is_halved_thrice_and_scaled_by_ipc(outer, factor, ipc):
    schedule = options(image_lr_decay_at=[1200, 1600, 1800])
    assert learning_rate(schedule, ipc, outer) == pytest.approx(0.005 * ipc / 10 * factor)


def test_a_step_descends_with_momentum_and_moves_the_averages(monkeypatch):
    begun: list[Tensor] = []
    monkeypatch.setattr(distill, "mean_features", lambda *args: begun.append(mean_features(*args)) or begun[-1])
    data = dataset()
    run = Run([config(ipc=2, image_lr=0.5, cfc_average=0.75)], data)
    (made,), velocity = run.sets, 0.0
    images = made.images.clone()
    for step in range(4):
        averages = made.averages
        (got,) = run.step()
        rate = 0.5 * 2 / 10 * (0.5 if step >= 2 else 1)  # halved at the second network
        velocity = 0.5 * velocity + got.gradient
        images = (images.clamp(0, 1) if step == 2 else images) - rate * velocity
        torch.testing.assert_close(made.images, images, rtol=0, atol=1e-6)
        before = averages if step % 2 else begun[step // 2]  # F starts anew with every network
        assert before is not None and made.averages is not None
        torch.testing.assert_close(made.averages, 0.75 * before + 0.25 * got.features)
    assert len(begun) == 2


def test_pixels_are_clamped_when_a_network_begins_and_in_the_stored_set():
    data = dataset()
    run = Run([config(image_lr=500.0)], data)
    (made,) = run.sets
    run.step()
    run.step()
    assert made.images.max() > 1 and made.images.min() < 0
    stored = finished(made, data, 1, {}).images
    assert stored.min() == 0 and stored.max() == 1
    torch.testing.assert_close(stored, made.images.clamp(0, 1).flatten(0, 1))
    velocity = made.velocity.clone()
    before = made.images.clone()
    (got,) = run.step()
    torch.testing.assert_close(made.velocity, 0.5 * velocity + got.gradient)
    torch.testing.assert_close(made.images, before.clamp(0, 1) - 500 * 0.2 * 0.5 * made.velocity)


LEARNING = [{"image_lr": 0.5}, {"distance": "l1", "image_lr": 0.02, "selected": 2}, {"init": "mix", "image_lr": 0.3}]


@pytest.mark.parametrize("changes", LEARNING, ids=str)
def test_distillation_lowers_the_gradient_distance(changes):
    data = dataset(side=12, count=3)  # one real image a class: the same target at every step
    quiet = {"net_images": 0, "matching_augment": [], "batch_real": 2, "cfc": False, "policy": "all", "inner": 30, "outer": 1, "ipc": 1}
    run = Run([config(**(quiet | changes))], data)
    losses = [run.step()[0].loss_gradient.mean().item() for _ in range(30)]
    assert max(losses[-3:]) < (0.95 if "distance" in changes else 0.8) * losses[0]


def test_cfc_lowers_its_own_loss():
    data = dataset(count=9)
    quiet = {
        "net_images": 0,
        "matching_augment": [],
        "policy": "all",
        "cfc_weight": 1000.0,
        "cfc_average": 0.9,
        "inner": 40,
        "outer": 1,
        "image_lr": 0.1,
    }
    run = Run([config(**quiet)], data)
    losses = [run.step()[0].loss_cfc.mean().item() for _ in range(40)]
    assert losses[-1] < losses[0] - 0.01


# --- bits ---

CASES: dict[str, list[dict[str, Any]]] = {
    "jitter": [{}],
    "vote, pairs drawn": [{"policy": "vote", "max_pairs": 4, "pretrain_epochs": 1}],
    "grid": [{"decode": "grid", "init": "mix", "cfc": False, "net_momentum": 0.0}],
    "lockstep": [{"policy": "random", "ipc": 1}, {"policy": "gradient", "cfc": False, "max_pairs": 7}],
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bits(case):
    configs, data = [config(**changes) for changes in CASES[case]], dataset()
    first, second = states(configs, data), states(configs, data)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    other = states([config | {"seed": 1} for config in configs], data)
    assert not torch.equal(first[-1]["images 0"], other[-1]["images 0"])


@pytest.mark.parametrize("case", CASES)
def test_a_run_cut_at_every_step_and_resumed_has_the_same_bits(case, tmp_path):
    configs, data, path = [config(**changes, inner=3) for changes in CASES[case]], dataset(), tmp_path / "checkpoint"
    curves = [torch.arange(9, dtype=torch.float64).view(1, 9) + i for i in range(len(configs))]
    for step, expected in enumerate(states(configs, data)):
        run = Run(configs, data)
        if step:
            read, seconds = checkpoint.restore(path, run.trajectory, run.sets)
            assert seconds == step - 1
            assert all(torch.equal(a, b) for a, b in zip(read, curves, strict=True))
        run.step()
        assert same(run.state(), expected)
        checkpoint.save(path, run.trajectory, run.sets, curves, step)
        assert same(run.state(), expected)


def test_sets_in_lockstep_are_each_alone_bit_for_bit():
    changes: list[dict[str, Any]] = [
        {},
        {"ipc": 1, "decode": "grid", "init": "mix", "cfc": False},
        {"policy": "random", "distance": "l1", "max_pairs": 5},
    ]
    configs, data = [config(**change) for change in changes], dataset()
    together = states(configs, data)
    for i, each in enumerate(configs):
        for alone, all_of_them in zip(states([each], data), together, strict=True):
            mine = {name.removesuffix(f" {i}"): value for name, value in all_of_them.items() if not name[-1].isdigit() or name.endswith(f" {i}")}
            assert same(mine, {name.removesuffix(" 0"): value for name, value in alone.items()})


def test_logging_changes_no_bit():
    data = dataset()
    quiet, loud = Run([config()], data), Run([config()], data)
    for _ in range(4):
        quiet.step(parts=False)
        loud.step(parts=True)
    assert same(quiet.state(), loud.state())


# --- what is stored ---


def mean_rank_mask(places: list[Tensor], selected: int) -> Tensor:
    """The P windows of lowest mean rank, image by image."""
    classes, images, N = places[0].shape
    mask = torch.zeros(classes * images, N, dtype=torch.uint8)
    for c in range(classes):
        for b in range(images):
            total = [sum(int(place[c, b, n]) for place in places) for n in range(N)]
            for n in sorted(range(N), key=lambda n: (total[n], n))[:selected]:
                mask[c * images + b, n] = 1
    return mask


def test_the_last_networks_mean_ranks_choose_the_stored_windows():
    data = dataset()
    run = Run([config(selected=5, outer=4, mask_networks=3)], data)
    (made,), found = run.sets, []
    for _ in range(4):
        run.step()
        run.step()
        found.append(made.places[-1])
        assert len(made.places) == min(len(found), 3)
    assert all(torch.equal(a, b) for a, b in zip(made.places, found[-3:], strict=True))
    mask = region_mask(made)
    assert mask.sum(1).tolist() == [5] * 6
    assert torch.equal(mask, mean_rank_mask(found[-3:], 5))
    assert not torch.equal(mask, mean_rank_mask(found[-1:], 5))


def test_the_end_of_a_network_moves_on_to_the_next():
    data = dataset()
    run = Run([config()], data)
    run.step()
    before = run.state()["place"].tolist()
    end_network(run.trajectory, run.sets, data)
    assert before == [0, 1]
    assert (run.trajectory.outer, run.trajectory.inner) == (1, 0)


@pytest.mark.parametrize(("changes", "images"), [({}, 9), ({"policy": "all"}, 13), ({"decode": "grid"}, 4), ({"selected": 2}, 3)])
def test_a_finished_set_decodes_to_its_training_images(changes, images):
    data = dataset()
    run = Run([config(**changes)], data)
    for _ in range(4):
        run.step()
    made = finished(run.sets[0], data, 2, {"code": "abc"})
    assert made.images.shape == (6, 3, 8, 8) and made.images.dtype == torch.float32
    assert made.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(made.windows, run.sets[0].among.boxes)
    assert made.metadata["config"] == run.configs[0] and made.metadata["provenance"] == {"code": "abc"}
    assert (made.metadata["dataset"], made.metadata["classes"], made.metadata["mean"]) == ("tiny", data.classes, data.mean)
    decoded, labels = training_images(made)
    assert len(decoded) == 6 * images
    assert labels.bincount().tolist() == [2 * images] * 3


def test_a_snapshot_is_the_set_of_a_schedule_that_ends_there():
    data = dataset()
    long, short = Run([config(outer=3)], data), Run([config(outer=1)], data)
    for run in (long, short):
        run.step()
        run.step()
    early, whole = (finished(run.sets[0], data, 1, {}) for run in (long, short))
    assert torch.equal(early.images, whole.images) and torch.equal(early.regions, whole.regions)
    assert early.metadata == whole.metadata


@pytest.mark.parametrize(("cfc", "broken"), [(False, [0, 2, 0]), (True, [3, 2, 3])])
def test_the_first_iteration_that_is_not_finite_is_remembered(cfc, broken):
    run = Run([config(cfc=cfc)], dataset())
    run.step()
    run.sets[0].images[1, 0, 0, 0, 0] = float("nan")
    for _ in range(3):
        run.step()
    assert run.sets[0].broken.tolist() == broken  # with CFC the other classes follow, through the averages
