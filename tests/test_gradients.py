"""The gradient of Eq. 10 on the training images of one class against plain automatic differentiation in
float64, and in bfloat16."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import matched, train_loss
from tiny import network, noise, windowed
from torch import Tensor

from udd.networks.architectures import Network
from udd.objectives.gradients import Embedding, image_gradient

WIDTHS = {"convnet3": 3, "resnet18": 4, "alexnet": 8}
Found = tuple[Tensor, tuple[Tensor, Tensor, Tensor]]


class Problem:
    """A random network and training images of one class, with a random real gradient and averages to come near to."""

    def __init__(
        self,
        name: str,
        width: int,
        side: int = 8,
        count: int = 3,
        classes: int = 3,
        label: int = 0,
        seed: int = 0,
        **changes: Any,
    ):
        self.distill, self.label = windowed(**changes), label
        self.network: Network = network(3, side, classes, width, name, seed)
        self.inputs = 2 * noise(count, 3, side, side, seed=seed) - 1
        self.target = [
            0.02 * noise(*weight.shape, seed=seed + i) - 0.01
            for i, weight in enumerate(matched(self.network, self.distill))
        ]
        self.averages = noise(classes, self.network.classifier.in_features, seed=seed)

    def found(
        self,
        dtype: torch.dtype = torch.float64,
        precision: torch.dtype | None = None,
        way: Any = image_gradient,
        **changes: Any,
    ) -> Found:
        """What the code gives with everything in `dtype`."""
        model = Embedding(self.network)
        weights = {name: weight.detach().to(dtype) for name, weight in model.named_parameters()}
        brought = {"inputs": self.inputs, "averages": self.averages} | changes
        inputs, averages, target = (
            brought["inputs"].to(dtype),
            brought["averages"].to(dtype),
            [weight.to(dtype) for weight in self.target],
        )
        weight, temperature = (
            torch.tensor(self.distill[key], dtype=dtype) for key in ("cfc_weight", "cfc_temperature")
        )
        distance, which = self.distill["distance"], self.distill["matched"]
        return way(
            model,
            weights,
            inputs,
            torch.tensor(self.label),
            target,
            averages,
            weight,
            temperature,
            distance,
            which,
            precision,
        )

    def expected(self) -> Found:
        """The same by plain automatic differentiation."""
        inputs = self.inputs.clone().requires_grad_()
        parts = train_loss(self.network, inputs, self.label, self.target, self.averages, self.distill)
        (gradient,) = torch.autograd.grad(parts[0] + self.distill["cfc_weight"] * parts[1], inputs)
        return gradient, parts


def flat(found: Found) -> list[Tensor]:
    return [found[0], *found[1]]


def close(found: Found, expected: Found) -> None:
    for a, b in zip(flat(found), flat(expected), strict=True):
        assert a.dtype == b.dtype == torch.float64 and a.shape == b.shape
        assert (a - b).abs().max() <= 1e-9 * b.abs().max()


@pytest.mark.parametrize("name", WIDTHS)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_it_is_the_gradient_of_both_losses(name, data):
    changes = {
        "distance": data.draw(st.sampled_from(["mse", "l1"])),
        "matched": data.draw(st.sampled_from(["convolutions", "all"])),
        "cfc_weight": data.draw(st.sampled_from([0.0, 1.0, 30.0])),
        "cfc_temperature": data.draw(st.sampled_from([0.2, 0.7])),
    }
    classes = data.draw(st.integers(2, 4))
    sizes = {"side": data.draw(st.sampled_from([8, 9, 12])), "count": data.draw(st.integers(1, 5)), "classes": classes}
    problem = Problem(
        name,
        WIDTHS[name],
        **sizes,
        label=data.draw(st.integers(0, classes - 1)),
        seed=data.draw(st.integers(0, 99)),
        **changes,
    )
    close(problem.found(), problem.expected())


@pytest.mark.parametrize("name", WIDTHS)
def test_it_is_that_of_finite_differences(name):
    problem, step = Problem(name, WIDTHS[name], cfc_weight=5.0), 1e-6
    gradient, direction = problem.found()[0], noise(*problem.inputs.shape, seed=9) - 0.5
    values = []
    for sign in (1, -1):
        loss_gradient, loss_cfc, _ = problem.found(inputs=problem.inputs + sign * step * direction)[1]
        values.append((loss_gradient + 5 * loss_cfc).item())
    assert (gradient * direction).sum().item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


def test_without_weight_the_averages_count_for_nothing_not_even_zeros():
    problem = Problem("convnet3", 3, cfc_weight=0.0)
    gradient, losses = problem.found(averages=torch.zeros_like(problem.averages))
    assert gradient.any() and torch.equal(gradient, problem.found()[0])
    assert not torch.equal(losses[1], problem.found()[1][1])


def test_it_leaves_the_network_without_gradients_and_keeps_no_graph():
    problem = Problem("convnet3", 3)
    assert not any(tensor.requires_grad for tensor in flat(problem.found()))
    assert all(weight.grad is None for weight in problem.network.parameters())


@pytest.mark.parametrize(
    ("name", "side", "cosine"), [("convnet3", 16, 0.98), ("alexnet", 16, 0.95), ("resnetap10", 32, 0.9)]
)
@pytest.mark.parametrize("distance", ["mse", "l1"])
def test_in_bfloat16_it_is_nearly_that_in_float32_and_still_of_its_type(name, side, cosine, distance):
    problem = Problem(name, 32, side, count=8, distance=distance)
    exact, rounded = problem.found(torch.float32), problem.found(torch.float32, torch.bfloat16)
    for a, b in zip(flat(rounded), flat(exact), strict=True):
        assert a.dtype == torch.float32 and a.isfinite().all()
        assert not torch.equal(a, b)
        assert (a - b).norm() <= 0.05 * b.norm() or a is rounded[0]
    assert torch.cosine_similarity(rounded[0].flatten(), exact[0].flatten(), dim=0) > cosine
