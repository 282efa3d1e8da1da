"""Training: one step against the formula, the schedule, determinism, accuracy."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import network as tiny_network
from tiny import noise, params
from torch import nn
from torch.nn import functional as F

from udd.errors import UserError
from udd.networks import training as module
from udd.networks.architectures import build
from udd.networks.streams import seed_of, stream

RECIPE = {"epochs": 3, "batch": 8, "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}
FULL_RECIPE = RECIPE | {
    "decay_at": [0.6667, 0.8333], "decay": 0.2,
    "augment": ["color", "flip", "crop|scale|rotate"], "cutmix_beta": 1.0, "cutmix_p": 0.5,
}  # fmt: skip


def data(n: int = 20, seed: int = 0, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    images = torch.rand(n, 1, 8, 8, generator=generator) * 0.3
    stripes = (torch.arange(8) % 2) * 0.7
    images += torch.stack([stripes.expand(8, 8), stripes.view(8, 1).expand(8, 8), torch.zeros(8, 8)])[labels].unsqueeze(
        1
    )
    return (images * 255).to(torch.uint8), labels


def trained(recipe: dict, seed: int = 0, **hooks) -> nn.Module:
    images, labels = data()
    network = build("convnet3", 1, 8, 3, 8, stream("cpu", "network"))
    module.train(network, images, labels, recipe, [0.4], [0.3], stream("cpu", "train", seed), **hooks)
    return network


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(2, 5), st.floats(0, 1), st.integers(0, 99))
def test_the_loss_of_a_batch_is_shared_between_two_labels(count, classes, share, seed):
    network, inputs = tiny_network(classes=classes, seed=seed), noise(count, 3, 8, 8, seed=seed)
    first, second = (
        torch.randint(classes, (count,), generator=stream("cpu", name, seed)) for name in ("first", "second")
    )
    loss, logits = module.batch_loss(network, inputs, first, second, torch.tensor(share, dtype=torch.float64))
    assert loss.dtype == logits.dtype == torch.float64 and torch.equal(logits, network(inputs))
    expected, error = 0.0, torch.zeros(classes, dtype=torch.float64)
    for row, a, b in zip(logits.tolist(), first.tolist(), second.tolist(), strict=True):
        total = sum(map(math.exp, row))
        expected -= (
            share * math.log(math.exp(row[a]) / total) + (1 - share) * math.log(math.exp(row[b]) / total)
        ) / count
        for label in range(classes):
            error[label] += (math.exp(row[label]) / total - share * (label == a) - (1 - share) * (label == b)) / count
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    torch.testing.assert_close(torch.autograd.grad(loss, network.classifier.bias)[0], error, rtol=1e-9, atol=1e-9)


def test_in_bfloat16_loss_and_gradients_are_nearly_those_in_float32_and_still_of_their_type():
    network, inputs = tiny_network(width=32, side=16).float(), noise(16, 3, 16, 16).float()
    labels, share, found = torch.arange(16) % 3, torch.tensor(0.3), []
    for precision in (None, torch.bfloat16):
        loss, logits = module.batch_loss(network, inputs, labels, labels.flip(0), share, precision)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        found.append((loss, logits, torch.cat([gradient.flatten() for gradient in gradients])))
    for exact, rounded in zip(*found, strict=True):
        assert rounded.dtype == torch.float32 and rounded.isfinite().all()
        assert not torch.equal(exact, rounded)
        assert (rounded - exact).norm() <= 0.2 * exact.norm()


def test_two_steps_are_sgd_with_momentum_and_weight_decay():
    images, labels = data(6)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double()
    weight, bias = (p.detach().clone() for p in network.parameters())
    inputs = ((images.double() / 255 - 0.4) / 0.3).flatten(1)
    velocity = [torch.zeros_like(weight), torch.zeros_like(bias)]
    losses = []
    for _ in range(2):
        logits = inputs @ weight.T + bias
        probability = logits.exp() / logits.exp().sum(1, keepdim=True)
        losses.append(-probability[torch.arange(6), labels].log().mean())
        error = (probability - F.one_hot(labels, 3)) / 6
        gradients = [error.T @ inputs + 5e-4 * weight, error.sum(0) + 5e-4 * bias]
        velocity = [0.9 * v + g for v, g in zip(velocity, gradients, strict=True)]
        weight, bias = weight - 0.1 * velocity[0], bias - 0.1 * velocity[1]
    optimizer = module.sgd(network, RECIPE)
    mean, std = (torch.tensor([value], dtype=torch.float64) for value in (0.4, 0.3))
    for expected in losses:
        step = (network, optimizer, images.double() / 255, labels, module.PLAIN, mean, std, stream("cpu", 0))
        loss, logits = module.sgd_step(*step)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        assert logits.shape == (6, 3) and not logits.requires_grad
    for ours, reference in zip(network.parameters(), (weight, bias), strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-12, atol=1e-14)


def test_descent_is_that_of_torch_to_the_bit():
    images, labels = data(6)
    networks = [build("convnet3", 1, 8, 3, 4, stream("cpu", 0)) for _ in range(2)]
    ours = module.sgd(networks[0], RECIPE)
    theirs = torch.optim.SGD(
        networks[1].parameters(), RECIPE["lr"], momentum=RECIPE["momentum"], weight_decay=RECIPE["weight_decay"]
    )
    for step in range(4):
        for network, optimizer in zip(networks, (ours, theirs), strict=True):
            optimizer.param_groups[0]["lr"] = RECIPE["lr"] / (step + 1)
            F.cross_entropy(network(images / 255), labels).backward()
            gradients = [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]
            ours.step(gradients) if optimizer is ours else theirs.step()
            network.zero_grad()
    for first, second in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(first, second)
        assert torch.equal(ours.state[first]["momentum_buffer"], theirs.state[second]["momentum_buffer"])


def test_cutmix_weighs_both_labels(monkeypatch):
    images, labels = data(6)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    other = labels.flip(0)
    monkeypatch.setattr(module, "cutmix", lambda x, y, beta, p, generator: (x, y, other, torch.tensor(0.75)))
    logits = network((images / 255 - 0.4) / 0.3)
    expected = 0.75 * F.cross_entropy(logits, labels) + 0.25 * F.cross_entropy(logits, other)
    mean, std = torch.tensor([0.4]), torch.tensor([0.3])
    loss, _ = module.sgd_step(
        network, module.sgd(network, RECIPE), images, labels, module.PLAIN, mean, std, stream("cpu", 0)
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("operation", ["color", "photometric"])
def test_each_image_of_a_batch_is_augmented_by_a_draw_of_its_own(operation):
    seen, images, network = [], noise(1, 3, 8, 8).float().expand(4, -1, -1, -1), tiny_network().float()

    def noted(network, inputs, *rest):
        seen.append(inputs)
        return module.batch_loss(network, inputs, *rest)

    labels, recipe = torch.zeros(4, dtype=torch.int64), module.PLAIN | {"augment": [operation]}
    given = (recipe, [0.4] * 3, [0.3] * 3, stream("cpu", 0), noted)
    module.sgd_step(network, module.sgd(network, RECIPE), images, labels, *given)
    assert len(seen[0].unique(dim=0)) == 4


def test_learning_rate_falls_after_two_thirds_and_five_sixths():
    recipe = FULL_RECIPE | {"epochs": 300, "lr": 0.01}
    rates = [module.learning_rate(recipe, epoch) for epoch in range(300)]
    assert rates == pytest.approx([0.01] * 200 + [0.002] * 50 + [0.0004] * 50)


def test_the_schedule_reaches_the_optimizer(monkeypatch):
    rates = []
    real = module.sgd_step

    def spy(network, optimizer, *rest):
        rates.append(optimizer.param_groups[0]["lr"])
        return real(network, optimizer, *rest)

    monkeypatch.setattr(module, "sgd_step", spy)
    trained(FULL_RECIPE | {"batch": 20, "epochs": 6})
    assert rates == pytest.approx([0.1] * 4 + [0.02, 0.004])


def test_every_image_is_seen_once_an_epoch_in_a_new_order():
    generator = stream("cpu", "order")
    epochs = [list(module.batches(10, 4, generator)) for _ in range(2)]
    assert [[len(batch) for batch in epoch] for epoch in epochs] == [[4, 3, 3]] * 2
    orders = [torch.cat(epoch) for epoch in epochs]
    assert all(sorted(order.tolist()) == list(range(10)) for order in orders) and not torch.equal(*orders)
    assert [len(batch) for batch in module.batches(3, 64, generator)] == [3]


@given(st.integers(1, 3000), st.integers(1, 300))
def test_batches_are_as_few_as_hold_all_images_and_nearly_of_one_size(count, size):
    """130 images in batches of 64 are 44, 43 and 43: a last batch of two would be a whole step of noise."""
    found = module.batches(count, size, torch.Generator().manual_seed(0))
    lengths = [len(batch) for batch in found]
    assert sorted(torch.cat(found).tolist()) == list(range(count))
    assert max(lengths) <= size and max(lengths) - min(lengths) <= 1
    assert len(lengths) == module.steps_an_epoch(count, size) and (len(lengths) - 1) * size < count


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(1, 100))
def test_steps_become_the_nearest_whole_epochs(steps, count, batch):
    recipe = {"epochs": 7, "steps": steps, "batch": batch}
    found, each = module.epochs(recipe, count, 10), module.steps_an_epoch(count, batch)
    assert found >= 1 and (found == 1 or abs(found * each - steps) <= each / 2)
    assert (
        module.epochs(recipe | {"steps": 0}, count, 10) == module.epochs({"epochs": 7, "batch": batch}, count, 10) == 7
    )


def test_views_are_asked_for_each_epoch_and_are_what_it_trains_on():
    images, labels = data()
    asked, seen = [], []

    def views(given, named):
        asked.append((given, named))
        return given[: 4 + len(asked)], named[: 4 + len(asked)]

    trained(RECIPE, views=views, after_step=lambda epoch, index, logits: seen.append((epoch, index)))
    assert len(asked) == 3 and all(torch.equal(given, images) and torch.equal(named, labels) for given, named in asked)
    assert [(epoch, sorted(index.tolist())) for epoch, index in seen] == [
        (0, [*range(5)]),
        (1, [*range(6)]),
        (2, [*range(7)]),
    ]


def test_training_is_deterministic_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    first, again, other = trained(FULL_RECIPE), trained(FULL_RECIPE), trained(FULL_RECIPE, seed=1)
    assert same(first, again) and not same(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_bytes_and_floats_train_alike():
    images, labels = data()
    networks = []
    for either in (images, images.float() / 255):
        network = build("convnet3", 1, 8, 3, 8, stream("cpu", "network"))
        module.train(network, either, labels, RECIPE, torch.tensor([0.4]), torch.tensor([0.3]), stream("cpu", "train"))
        networks.append(network)
    assert same(*networks)


def test_hooks_see_every_epoch_and_every_image():
    epochs, seen = [], []
    trained(
        RECIPE, after_epoch=epochs.append, after_step=lambda epoch, index, logits: seen.append((epoch, index, logits))
    )
    assert epochs == [1, 2, 3]
    assert [epoch for epoch, _, _ in seen] == [0] * 3 + [1] * 3 + [2] * 3
    assert sorted(torch.cat([index for _, index, _ in seen[:3]]).tolist()) == list(range(20))
    assert all(logits.shape == (len(index), 3) for _, index, logits in seen)


def test_training_learns_what_can_be_learnt():
    images, labels = data()
    network = trained(RECIPE | {"epochs": 80, "lr": 0.02})
    assert module.accuracy(network, images, labels, [0.4], [0.3]) >= 90


def test_accuracy_is_the_share_of_right_answers_in_percent():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    images, labels = data()
    logits = network((images.float() / 255 - 0.4) / 0.3).tolist()
    right = sum(row.index(max(row)) == label for row, label in zip(logits, labels.tolist(), strict=True))
    for batch in (0, 3, 20, 1000):
        assert module.accuracy(network, images, labels, [0.4], [0.3], batch) == pytest.approx(100 * right / 20)


def test_a_loss_that_is_not_finite_stops_with_one_line():
    with pytest.raises(UserError, match=r"loss is not finite \(epoch \d of 3, lr 1e\+30\)"):
        trained(RECIPE | {"lr": 1e30})


def test_streams_depend_on_every_part_and_nothing_else():
    assert seed_of("a", 1) == seed_of("a", 1)
    assert (
        len({seed_of("a", 1), seed_of("a", 2), seed_of("b", 1), seed_of("a", "1"), seed_of("a1"), seed_of(1, "a")}) == 6
    )
    assert torch.equal(torch.rand(3, generator=stream("cpu", "a")), torch.rand(3, generator=stream("cpu", "a")))


def test_a_gpu_passes_fewer_large_images_at_once_and_a_cpu_always_as_many():
    gpu = torch.device("cuda")
    assert [module.forward_batch(gpu, side) for side in (8, 28, 32, 64, 224, 5000)] == [1000, 1000, 1000, 250, 20, 1]
    assert {module.forward_batch(torch.device("cpu"), side) for side in (8, 32, 224)} == {50}


@pytest.mark.parametrize(("each", "lasting"), [(1, 3000), (2, 2000), (10, 2000), (11, 1500), (90, 1000), (501, 300)])
def test_epochs_may_follow_from_the_images_a_class(each, lasting):
    """IDC's rule for ImageNet, as params.yaml has it."""
    recipe = params()["evaluate"] | params()["datasets"]["imagenet10"]["evaluate"]
    assert module.epochs(recipe, 10 * each, 10) == lasting
    assert module.epochs(recipe | {"steps": 40}, 10 * each, 10) != lasting
