"""What a step of any method costs, counted on tensors without memory: against the counter on a real run, and the counter against hand."""

import pytest
import tiny
import torch
import torch.nn.functional as F
from runs import Run

from udd.costs import own, workload
from udd.costs.flops import flop
from udd.costs.sizes import Sizes


@pytest.mark.parametrize("name", ["dm", "dsa", "dc", "dd", "cafe", "kip", "mtt", "dance", "ncfm", "udd-features"])
def test_the_cost_of_any_method_is_that_of_its_own_steps(name):
    config = tiny.of_method(name, inner=1, **({"batch_real": 200} if name == "kip" else {}))  # a small kernel is less than one step of training
    run = Run(config, tiny.dataset())
    with own.counter() as counter:
        for _ in range(config["distill"]["outer"]):
            run.advance(False)
    parts = workload.method_steps(config, Sizes(3, 8, 3, 21, 6), False)
    foretold = sum(count * flop(step) for part in parts for step, count in part.items())
    assert foretold == pytest.approx(counter.get_total_flops(), rel=0.04)


def test_the_counter_counts_what_a_hand_counts():
    """A convolution of 2 images, 3 to 4 channels, 3 x 3, at 8 x 8 places; its two derivatives cost as much each; inside torch.func too."""
    images, weight = torch.rand(2, 3, 8, 8), torch.rand(4, 3, 3, 3)
    forward = 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)
    with own.counter() as counter:
        F.conv2d(images, weight, padding=1)
    assert counter.get_total_flops() == forward
    with own.counter() as counter:
        torch.func.vjp(lambda images, weight: F.conv2d(images, weight, padding=1), images, weight)[1](torch.ones(2, 4, 8, 8))
    assert counter.get_total_flops() == 3 * forward
