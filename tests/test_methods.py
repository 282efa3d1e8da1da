"""Methods beside UDD: each loss against an obvious float64 reference, each better than its start; a new one
changes nothing of the others."""

import shutil

import pytest
import torch
import torch.nn.functional as F
import yaml
from firstorder import meeting
from hypothesis import given, settings
from hypothesis import strategies as st
from references import slow_augment, standardised
from runs import Run, states
from tiny import dataset, network, noise, of_method, params

from udd import methods
from udd.config import params as parameters
from udd.config import sections
from udd.config.plan import Cell, canonical, distilled, method, set_config
from udd.config.requested import all_cells
from udd.methods import cafe, dm, dsa
from udd.networks import augment
from udd.networks.streams import stream

MEAN, STD = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64), torch.tensor([0.2, 0.25, 0.3], dtype=torch.float64)


def batch(count: int, seed: int) -> torch.Tensor:
    return noise(count, 3, 8, 8, seed=seed)


def draws() -> augment.Draws:
    return augment.draw(["color", "crop", "cutout"], 1, 8, stream("cpu", "draws"), torch.float64)


def feature_of(model, image: torch.Tensor) -> torch.Tensor:
    """The embedding of one augmented image."""
    return model.features(
        slow_augment(standardised(image, MEAN, STD), {name: value[0] for name, value in draws().items()}).unsqueeze(0)
    )[1][0]


def test_dm_is_the_squared_distance_of_mean_features():
    model, ours, real = network(), batch(3, 1), batch(5, 2)
    ours_mean, real_mean = (
        torch.stack([feature_of(model, image) for image in images]).mean(0) for images in (ours, real)
    )
    expected = ours_mean - real_mean
    assert dm.distance(model, ours, real_mean, draws(), MEAN, STD).item() == pytest.approx(
        expected.square().sum().item(), rel=1e-9
    )


def gradients_of(model, images: torch.Tensor, label: int) -> list[torch.Tensor]:
    """The mean over images of each one's gradient."""
    found = []
    for image in images:
        logits = model(
            slow_augment(standardised(image, MEAN, STD), {name: value[0] for name, value in draws().items()}).unsqueeze(
                0
            )
        )
        found.append(torch.autograd.grad(F.cross_entropy(logits, torch.tensor([label])), list(model.parameters())))
    return [torch.stack(of_weight).mean(0) for of_weight in zip(*found, strict=True)]


def test_dsa_is_the_cosine_distance_of_every_output_channels_gradient():
    model, ours, real = network(), batch(3, 1), batch(5, 2)
    expected = 0.0
    for one, other in zip(gradients_of(model, ours, 1), gradients_of(model, real, 1), strict=True):
        if one.dim() > 1:
            for a, b in zip(one.flatten(1), other.flatten(1), strict=True):
                expected += (1 - a @ b / (a.norm() * b.norm() + 1e-6)).item()
    assert dsa.distance(model, ours, real, 1, draws(), MEAN, STD).item() == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_the_cosine_distance_is_blind_to_length_and_knows_opposites(seed, factor):
    gradient = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert dsa.cosine_distance(gradient, factor * gradient).item() == pytest.approx(0, abs=1e-4)
    assert dsa.cosine_distance(gradient, -factor * gradient).item() == pytest.approx(8, abs=1e-4)
    assert dsa.cosine_distance(gradient[:, 0, 0, 0], gradient[:, 0, 0, 1]).item() == 0


@pytest.mark.parametrize("name", distilled(params()))
def test_every_method_lets_its_rate_decay(name):
    """Twice a rate that is halved from the first step on is that rate, to the bit."""
    made, last = of_method(name, outer=2, inner=1), []
    for keys in (
        {"image_lr_decay_at": []},
        {"image_lr_decay_at": [0.0], "image_lr_decay": 0.5, "image_lr": 2 * made["distill"]["image_lr"]},
    ):
        last.append(states(made | {"distill": made["distill"] | keys}, dataset())[-1]["state/images"])
    assert torch.equal(*last)
    unchanged = states(
        made | {"distill": made["distill"] | {"image_lr_decay_at": [0.5], "image_lr_decay": 0.5}}, dataset()
    )[-1]["state/images"]
    assert not torch.equal(unchanged, last[0])


@pytest.mark.parametrize(
    ("name", "changes"), [("dm", {"image_lr": 5.0}), ("dsa", {"image_lr": 10.0}), ("dc", {"image_lr": 10.0})]
)
def test_a_method_lowers_its_own_distance(name, changes):
    quiet = {
        "matching_augment": [],
        "outer": 1,
        "inner": 40,
        "net_images": 0,
        "batch_real": 21,
        "image_lr_decay_at": [],
        "init": "mix",
    }
    made = of_method(name, ipc=1, **(quiet | changes))
    made = made | ({"dsa": made["dsa"] | {"net_epochs": 0}} if "dsa" in made else {})
    run = Run(made, dataset(side=8, count=3))
    losses = [run.advance(False)["loss"].mean().item() for _ in range(40)]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


@pytest.mark.parametrize("name", ["dm", "dsa"])
def test_a_published_rate_is_one_for_normalised_pixels(name):
    """The authors descend on y = (x - mean) / std: the same images come out, whatever the scale of the pixels."""
    made, data = of_method(name, image_lr=0.7, image_momentum=0.0, inner=2), dataset()._replace(std=[0.1, 0.3, 0.5])
    run = Run(made, data)
    met = run.meeting(False)
    if name == "dsa":
        dsa.initialise(met.network, stream("cpu", "weights"))
        run.state = run.state._replace(weights=tuple(weight.detach().clone() for weight in met.network.parameters()))
        met = met._replace(inner=1)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (data.mean, data.std))
    y = ((run.state.images - mean) / std).requires_grad_()
    pixels, loss = y * std + mean, torch.zeros(())
    for label in range(3):
        given = (augment.pick(met.draws, label), met.mean, met.std)
        if name == "dm":
            loss = loss + dm.distance(met.network, pixels[label], dm.real_features(met)[label], *given)
        else:
            loss = loss + dsa.distance(met.network, pixels[label], met.real[label], label, *given)
    (gradient,) = torch.autograd.grad(loss, y)
    expected = (y - 0.7 * gradient) * std + mean
    found, _ = run.method.step(run.state, met, made)
    torch.testing.assert_close(found.images, expected.detach(), rtol=1e-4, atol=1e-5)


def test_dsa_trains_its_network_on_the_synthetic_set():
    run = Run(of_method("dsa", inner=2, net_lr=0.1), dataset())
    run.advance(False)
    first = run.state.weights
    run.advance(False)
    assert all(not torch.equal(a, b) for a, b in zip(first, run.state.weights, strict=True) if a.dim() > 1)


@pytest.mark.parametrize("name", ["cafe", "dsa"])
def test_the_network_descends_on_every_synthetic_image_with_its_own_label(name):
    images, model, twin = noise(3, 2, 3, 8, 8), network(), network()
    met, made = meeting(model), of_method(name, matching_augment=[], net_lr=0.1)
    made = made | {name: made[name] | {"net_epochs": 1, "net_batch": 6}}
    if name == "cafe":
        cafe.epoch(model, images, met, made)
    else:
        dsa.train(model, images, met, made)
    logits = twin(augment.normalise(images.flatten(0, 1), met.mean, met.std))
    loss = F.cross_entropy(logits, torch.tensor([0, 0, 1, 1, 2, 2]))
    expected = [
        weight - 0.1 * gradient
        for weight, gradient in zip(twin.parameters(), torch.autograd.grad(loss, list(twin.parameters())), strict=True)
    ]
    torch.testing.assert_close([weight.detach() for weight in model.parameters()], expected)


@pytest.mark.parametrize("name", ["dm", "dsa", "cafe"])
def test_pixels_keep_a_share_of_their_momentum(name):
    """By the same gradient, at rest and on the move."""
    run, moved = Run(of_method(name, image_momentum=0.75), dataset()), []
    met = run.meeting(False)
    for velocity in (0.0, 1.0):
        before = run.state._replace(velocity=torch.full_like(run.state.images, velocity))
        after, _ = run.method.step(before, met._replace(networks=stream("cpu", "one")), run.config)
        moved.append(after.velocity)
    torch.testing.assert_close(moved[1] - moved[0], torch.full_like(moved[0], 0.75), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["ncfm", "udd-features", "kip", "dd"])
def test_adam_counts_the_steps_of_all_networks(name, monkeypatch):
    run, counts = Run(of_method(name, outer=2, inner=2), dataset()), []
    real = run.method.adam_step

    def counted(images, moments, gradient, rate, count, *rest):
        counts.append(count)
        return real(images, moments, gradient, rate, count, *rest)

    monkeypatch.setattr(run.method, "adam_step", counted)
    for _ in range(4):
        run.advance(False)
    assert sorted(set(counts)) == [1, 2, 3, 4] and counts == sorted(counts)


def test_a_new_method_with_a_section_of_its_own_changes_no_other_cell(monkeypatch, tmp_path):
    before = {cell: canonical(set_config(params(), cell, 0)) for cell in all_cells(params())}
    folder = shutil.copytree(sections.FOLDER, tmp_path / "sections")
    about = {"strength": {"default": 2.0, "type": "number", "description": "How strong."}}
    whole = {"description": "Mine.", "type": "object", "additionalProperties": False, "properties": about}
    (folder / "mine.yaml").write_text(yaml.safe_dump(whole))
    monkeypatch.setattr(sections, "FOLDER", folder)
    monkeypatch.setitem(sections.METHODS, "mine", ("distill", "mine"))
    variants = params()["variants"] | {
        "mine": {"method": "mine"},
        "mine-weak": {"method": "mine", "mine": {"strength": 1.0}},
    }
    more = parameters.check(params() | {"variants": variants})
    assert {cell: canonical(set_config(more, cell, 0)) for cell in before} == before
    found = set_config(more, Cell("cifar10", 10, "mine"), 0)
    assert (
        found["mine"] == {"strength": 2.0}
        and found["distill"].items() <= params()["distill"].items()
        and not {"udd", "idc"} & found.keys()
    )
    assert set_config(more, Cell("cifar10", 10, "mine-weak"), 0)["mine"] == {"strength": 1.0}


def test_a_cell_holds_nothing_of_other_methods():
    for cell in all_cells(params()):
        found, how = set_config(params(), cell, 0), method(params(), cell.variant)
        assert found.keys() - {"dataset", "ipc", "variant", "seed", "method", "times"} == set(sections.METHODS[how])


def test_every_method_that_distils_says_which_networks_it_meets():
    for name in filter(sections.distils, sections.METHODS):
        assert methods.module(name).MEETS in (methods.PROXIES, methods.OWN, methods.EXPERTS)
