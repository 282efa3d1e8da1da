"""The gradient of Eq. 10 taken in chunks is that of the whole batch, in less memory."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gradients import WIDTHS, Problem, close, flat
from tiny import captured
from torch import Tensor

from udd.costs.memory import Live
from udd.objectives import recomputation
from udd.objectives.gradients import image_gradient


def chunked(chunk: int, **others: Any):
    return partial(recomputation.image_gradient, chunk=chunk, **others)


@pytest.mark.parametrize("name", WIDTHS)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_any_chunk_gives_the_gradient_of_both_losses(name, data):
    changes = {
        "distance": data.draw(st.sampled_from(["mse", "l1"])),
        "matched": data.draw(st.sampled_from(["convolutions", "all"])),
        "cfc_weight": data.draw(st.sampled_from([0.0, 30.0])),
    }
    count = data.draw(st.integers(1, 6))
    problem = Problem(
        name,
        WIDTHS[name],
        count=count,
        label=data.draw(st.integers(0, 2)),
        seed=data.draw(st.integers(0, 99)),
        **changes,
    )
    close(problem.found(way=chunked(data.draw(st.integers(1, count + 1)))), problem.expected())


def test_in_bfloat16_too():
    problem = Problem("convnet3", 32, 16, count=7)
    whole, found = (
        problem.found(torch.float32, torch.bfloat16),
        problem.found(torch.float32, torch.bfloat16, chunked(3)),
    )
    assert not torch.equal(found[0], problem.found(torch.float32, way=chunked(3))[0])
    for a, b in zip(flat(found), flat(whole), strict=True):
        assert a.dtype == torch.float32 and (a - b).norm() <= 0.05 * b.norm()


def test_it_is_captured_whole_by_the_compiler_and_keeps_no_graph():
    problem, run = (
        Problem("convnet3", 3, count=5),
        tuple(map(captured, (recomputation.means, recomputation.pulled_back))),
    )
    found = problem.found(way=chunked(2, run=run))
    close(found, problem.expected())
    assert not any(tensor.requires_grad for tensor in flat(found))


def test_a_quarter_of_the_images_takes_about_a_quarter_of_the_memory():
    problem = Problem("convnet3", 16, 16, count=16)

    def peak(way: Any) -> int:
        with Live() as live:
            kept: tuple[Tensor, Any] = problem.found(way=way)
        assert kept[0].shape == problem.inputs.shape
        return live.peak

    assert peak(chunked(4)) < 0.35 * peak(image_gradient)
