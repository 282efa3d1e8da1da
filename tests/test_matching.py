"""The matching step against an obvious loop, class by class, window by window, image by image, in float64."""

from typing import Any

import pytest
import torch
from references import class_loss, enlarged, standardised
from tiny import network, noise, options, windowed
from torch import Tensor

from udd.methods import policies
from udd.methods.udd import candidates
from udd.networks import augment
from udd.objectives import matching
from udd.objectives.execution import execution_of
from udd.objectives.matching import Matched, Work, matching_step, mean_features
from udd.synthetic.regions import all_windows, grid_windows, training_pairs

CLASSES, REAL = 3, 4


class Problem:
    """A random matching problem: network, images, pairs, real batch, augmentation, averages."""

    def __init__(
        self, channels: int = 3, side: int = 12, ipc: int = 2, seed: int = 0, grid: bool = False, **changes: Any
    ):
        self.options, source = options() | windowed(**changes), torch.Generator().manual_seed(seed)
        self.network = network(channels, side, CLASSES, seed=seed)
        self.mean, self.std = noise(channels, seed=1) * 0.2 + 0.4, noise(channels, seed=2) * 0.2 + 0.2
        self.images = noise(CLASSES, ipc, channels, side, side, seed=seed + 3)
        self.real = noise(CLASSES, REAL, channels, side, side, seed=4)
        self.draws = augment.draw(
            self.options["matching_augment"], CLASSES, side, torch.Generator().manual_seed(5), torch.float64
        )
        self.among = (
            grid_windows(side, self.options["factor"], self.images) if grid else candidates(self.images, self.options)
        )
        places = policies.search(self.network, self.images, self.among.boxes, self.mean, self.std, self.options, source)
        chosen = all_windows(self.images, self.among) if grid else policies.lowest(places, self.options)
        self.pairs = training_pairs(chosen, self.among, self.options["max_pairs"], source)
        size = self.network.classifier.in_features
        self.averages = noise(CLASSES, size, seed=6)

    @property
    def work(self) -> Work:
        return Work(self.images, self.pairs, self.among, self.averages, self.options)

    @property
    def rest(self) -> tuple[Tensor, augment.Draws, Tensor, Tensor]:
        """What the sets of a step share beside the network."""
        return self.real, self.draws, self.mean, self.std

    def step(self, parts: bool = False) -> Matched:
        return matching_step(self.network, self.work, self.real, self.draws, self.mean, self.std, parts)

    def chosen(self, label: int) -> list[tuple[int, list[int] | None]]:
        boxes: list[list[int] | None] = [*self.among.boxes.tolist(), None]
        return [(image, boxes[window]) for image, window in self.pairs[label].tolist()]

    def losses(self, label: int, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        draws = {name: values[label] for name, values in self.draws.items()}
        rest = (label, self.real[label], self.averages, draws, self.mean, self.std, self.options)
        return class_loss(self.network, pixels, self.chosen(label), *rest)

    def total(self, label: int, pixels: Tensor) -> Tensor:
        """L_syn of one class (Eq. 10)."""
        gradient, cfc, _ = self.losses(label, pixels)
        return gradient + self.options["cfc_weight"] * cfc if self.options["cfc"] else gradient


def close(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()


def agrees(problem: Problem) -> None:
    """One step is the reference's, in every class."""
    got = problem.step()
    assert got.gradient.shape == problem.images.shape
    for label in range(CLASSES):
        pixels = problem.images[label].clone().requires_grad_()
        gradient, cfc, feature = problem.losses(label, pixels)
        (expected,) = torch.autograd.grad(problem.total(label, pixels), pixels)
        assert expected.abs().max() > 0
        close(got.gradient[label], expected)
        close(got.loss_gradient[label], gradient)
        close(got.loss_cfc[label], cfc if problem.options["cfc"] else torch.zeros(()))
        close(got.features[label], feature)


@pytest.mark.parametrize("policy", ["jitter", "jitter_map", "gradient", "activation", "vote", "random", "all"])
@pytest.mark.parametrize("cfc", [True, False])
def test_every_policy_with_and_without_cfc(policy, cfc):
    agrees(Problem(policy=policy, cfc=cfc))


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ipc", [1, 3])
def test_grey_and_colour_28_and_32_pixels_one_and_three_images(channels, side, ipc):
    agrees(Problem(channels, side, ipc, policy="random", selected=3))


SETTINGS: list[dict[str, Any]] = [
    {"distance": distance, "matched": matched} for distance in ("mse", "l1") for matched in ("convolutions", "all")
]
SETTINGS += [{"grid": True, "cfc": cfc, "factor": factor} for cfc, factor in ((True, 2), (False, 3))]
SETTINGS += [{"cfc_weight": 0.3, "cfc_temperature": 0.2}, {"matching_augment": []}]
SETTINGS += [{"matching_augment": ["crop"], "scales": ["third"], "selected": 2}]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_distances_weights_decodes_and_augmentations(changes):
    agrees(Problem(**changes))


def test_more_than_128_pairs():
    problem = Problem(ipc=15, side=8, selected=8, policy="random")
    assert problem.pairs.shape[1] == 128 < 15 * 9
    agrees(problem)


def test_an_image_that_was_not_drawn_gets_no_gradient():
    problem = Problem(ipc=3, max_pairs=2, policy="random", seed=1)
    agrees(problem)
    gradient = problem.step().gradient
    for label in range(CLASSES):
        for image in range(3):
            assert bool(gradient[label, image].any()) == (image in problem.pairs[label, :, 0].tolist())


@pytest.mark.parametrize("changes", [{}, {"distance": "l1", "cfc": False}, {"grid": True, "cfc_weight": 30.0}], ids=str)
def test_the_gradient_is_that_of_finite_differences(changes):
    problem, step = Problem(side=8, **changes), 1e-6
    gradient = problem.step().gradient
    for label, image, channel, y, x in [(0, 0, 0, 1, 2), (1, 1, 2, 7, 0), (2, 0, 1, 4, 4), (2, 1, 1, 0, 7)]:
        values = []
        for sign in (1, -1):
            pixels = problem.images[label].clone()
            pixels[image, channel, y, x] += sign * step
            values.append(problem.total(label, pixels).item())
        numeric = (values[0] - values[1]) / (2 * step)
        assert gradient[label, image, channel, y, x].item() == pytest.approx(numeric, rel=1e-4, abs=1e-7)


def test_a_class_gets_gradient_from_itself_alone():
    problem = Problem()
    before = problem.step().gradient
    problem.images[1] = noise(*problem.images[1].shape, seed=50)
    after = problem.step().gradient
    assert torch.equal(before[0], after[0]) and torch.equal(before[2], after[2])
    assert not torch.equal(before[1], after[1])


def same_bits(a: Matched, b: Matched) -> bool:
    return all((x is None and y is None) or torch.equal(x, y) for x, y in zip(a, b, strict=True))  # type: ignore[arg-type]


def test_asking_for_the_parts_changes_no_bit_of_the_rest():
    problem = Problem(cfc_weight=2.0)
    plain, split = problem.step(), problem.step(parts=True)
    assert plain.gradient_cfc is None and split.gradient_cfc is not None
    assert same_bits(plain._replace(gradient_cfc=None), split._replace(gradient_cfc=None))
    for label in range(CLASSES):
        pixels = problem.images[label].clone().requires_grad_()
        (expected,) = torch.autograd.grad(2.0 * problem.losses(label, pixels)[1], pixels)
        close(split.gradient_cfc[label], expected)


def test_in_chunks_the_step_is_the_same():
    problem = Problem(cfc_weight=2.0)
    whole = problem.step(parts=True)
    how = execution_of(problem.options | {"compile": "never"}, problem.network, problem.images[0, :1], CLASSES, chunk=5)
    parted = matching_step(problem.network, problem.work, *problem.rest, parts=True, execution=how)
    assert problem.pairs.shape[1] > 5 and not torch.equal(parted.gradient, whole.gradient)
    for a, b in zip(parted, whole, strict=True):
        assert a is not None and b is not None
        close(a, b)
    roomy = execution_of(
        problem.options | {"compile": "never"},
        problem.network,
        problem.images[0, :1],
        CLASSES,
        chunk=problem.pairs.shape[1],
    )
    assert same_bits(problem.step(), matching_step(problem.network, problem.work, *problem.rest, execution=roomy))


def test_bytes_and_floats_are_the_same_real_batch():
    problem = Problem()
    real = (problem.real * 255).byte()
    problem.real = real.double() / 255
    floats = problem.step()
    problem.real = real
    assert same_bits(floats, problem.step())


def test_a_step_leaves_network_images_and_averages_alone():
    problem = Problem()
    kept = [tensor.detach().clone() for tensor in (*problem.network.parameters(), problem.images, problem.averages)]
    problem.step(parts=True)
    now = [*problem.network.parameters(), problem.images, problem.averages]
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))
    assert all(weight.grad is None for weight in problem.network.parameters())


@pytest.mark.parametrize("grid", [False, True])
def test_averages_start_from_the_mean_features_of_the_training_images(grid, monkeypatch):
    problem = Problem(grid=grid)
    monkeypatch.setattr(matching, "images_at_once", lambda side: 3)
    found = mean_features(problem.network, problem.images, problem.pairs, problem.among, problem.mean, problem.std)
    assert not found.requires_grad
    for label in range(CLASSES):
        train = [
            standardised(enlarged(problem.images[label, i], box), problem.mean, problem.std)
            for i, box in problem.chosen(label)
        ]
        features = [problem.network.features(image.unsqueeze(0))[1][0] for image in train]
        close(found[label], torch.stack(features).mean(0))
