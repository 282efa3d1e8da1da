"""What would stop a GPU, seen without one: tensors that carry no values, on a device that is not the CPU.

On them an operation that mixes devices fails, and so does asking for a value, for which a GPU would have to
finish all its work first.
"""

from contextlib import nullcontext

import pytest
import torch
from tiny import config, dataset
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from udd import methods
from udd.methods import descent, idc
from udd.methods import udd as distill
from udd.networks.streams import seed_of
from udd.proxies import fresh as trajectory
from udd.runs import loop
from udd.synthetic.regions import Windows, corner_windows, grid_windows

ELSEWHERE = torch.device("meta")
SIDE, CLASSES, COUNT = 16, 3, 21


class Generator(torch.Generator):
    """A CPU's generator that says it lies elsewhere, as what draws from it then asks for its numbers to do."""

    device = property(lambda self: ELSEWHERE)  # type: ignore[assignment]


def stream(device: torch.device, *parts: str | int) -> torch.Generator:
    return Generator().manual_seed(seed_of(*parts))


def moved(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """`Module.to`, which does not know tensors without values."""
    for part in module.modules():
        for name, weight in part.named_parameters(recurse=False):
            setattr(part, name, torch.nn.Parameter(weight.detach().to(device)))
    return module


@pytest.fixture
def elsewhere(monkeypatch) -> FakeTensorMode:
    monkeypatch.setattr(trajectory, "stream", stream)
    monkeypatch.setattr(torch.nn.Module, "to", moved)
    monkeypatch.setattr(distill, "corner_windows", distill.corner_windows)  # what `steps` puts there is taken back
    monkeypatch.setattr(idc, "grid_windows", idc.grid_windows)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows real devices alone
    # Torch 2.11's gives values or nothing
    monkeypatch.setattr(torch, "_standard_gamma", lambda shape, generator: torch.rand_like(shape))
    return FakeTensorMode(allow_non_fake_inputs=True)  # torch.tensor(numbers) does not know of it


def data_elsewhere():
    data = dataset(side=SIDE)
    images = torch.empty(data.train_images.shape, dtype=torch.uint8, device=ELSEWHERE)
    return data._replace(train_images=images, train_labels=torch.empty(COUNT, dtype=torch.int64, device=ELSEWHERE))


def steps(mode: FakeTensorMode, made: dict, chunk: int | None) -> distill.State:
    """A whole network of a distillation, one step of it logged. `begin` looks for real images of every class and
    so at values: not called."""
    own = made.get("udd", {})
    among = (
        corner_windows(SIDE, own["scales"], own["decode"] == "regions", torch.zeros(()))
        if own
        else grid_windows(SIDE, 2, torch.zeros(()))
    )
    with mode:
        boxes, rows, columns = (mode.from_tensor(each).to(ELSEWHERE) for each in among[:3])
        distill.corner_windows = idc.grid_windows = lambda *_: Windows(boxes, rows, columns, among.whole)
        data, images = data_elsewhere(), torch.empty(CLASSES, made["ipc"], 3, SIDE, SIDE, device=ELSEWHERE)
        index = (
            torch.zeros(CLASSES, 7, dtype=torch.int64, device=ELSEWHERE),
            torch.full((CLASSES,), 7, device=ELSEWHERE),
        )
        at = trajectory.start(data, made["distill"], 0, chunk)
        run = object.__new__(loop.Distillation)
        run.method, run.config, run.data, run.options, run.trajectory, run.index = (
            methods.module(made["method"]),
            made,
            data,
            made["distill"],
            at,
            index,
        )
        run.cache, run.trains = None, True
        run.state = distill.State(images, torch.zeros_like(images), images.new_zeros(CLASSES, 0))
        run.generator, run.broken = (
            stream(ELSEWHERE, "images"),
            torch.zeros(CLASSES, dtype=torch.int64, device=ELSEWHERE),
        )
        run.mean, run.std = torch.zeros(3, device=ELSEWHERE), torch.ones(3, device=ELSEWHERE)
        for logged in (False, True):
            run.advance(logged)
        return run.state


@pytest.mark.parametrize("changes", [{"policy": name} for name in ("jitter", "jitter_map", "gradient", "activation",
"vote", "random", "all")] + [
    {"jitter": "uniform"}, {"jitter": "salt_and_pepper"}, {"method": "idc"}, {"decode": "windows", "cfc": False},
    {"max_pairs": 5}, {"distance": "l1", "precision": "bfloat16"},
])  # fmt: skip
def test_a_distillation_stays_on_its_device_and_asks_it_for_nothing(elsewhere, changes):
    found = steps(elsewhere, config(**changes), None)
    assert found.images.device == found.velocity.device == found.averages.device == ELSEWHERE


def test_neither_does_one_that_takes_its_images_a_few_at_a_time_ask_for_anything(elsewhere):
    assert steps(elsewhere, config(), 4).images.device == ELSEWHERE


def test_asking_for_a_value_is_seen(elsewhere, monkeypatch):
    monkeypatch.setattr(descent, "losses", lambda got, _: {"loss": torch.tensor(float(got.loss_gradient.sum()))})
    with pytest.raises(DataDependentOutputException):
        steps(elsewhere, config(), None)


def test_another_device_is_seen(elsewhere, monkeypatch):
    monkeypatch.setattr(descent, "moving_average", lambda averages, features, _: features + torch.zeros(averages.shape))
    with pytest.raises(RuntimeError, match="two (different )?devices"):
        steps(elsewhere, config(), None)
