"""How a distillation executes its heavy functions: decided by its schedule alone; compiled, it
gives what it gives as it is."""

import shutil
from typing import Any

import pytest
import torch
from tiny import dataset, network, noise, options, params, windowed
from torch import Tensor, nn

from udd.config.params import check, overlay
from udd.config.sections import section
from udd.errors import UserError
from udd.methods.udd import candidates
from udd.networks import augment
from udd.networks.architectures import Network, norm
from udd.networks.precision import PRECISIONS
from udd.networks.streams import stream
from udd.networks.training import batch_loss
from udd.objectives.execution import EAGER, Execution, execution_of, planned_flop
from udd.objectives.matching import Matched, Work, matching_step
from udd.proxies.fresh import start

COMPILERS = ("c++", "g++", "clang++")
CLASSES, SIDE = 2, 8


# --- the decision ---


def chosen(distill: dict[str, Any], side: int = 8) -> Execution:
    """How a distillation executes on tiny images."""
    return execution_of(distill, network(side=side).float(), torch.zeros(1, 3, side, side, dtype=torch.uint8), 3)


def functions(how: Execution) -> list[Any]:
    """What is executed."""
    return [how.loss, how.image_gradient]


def compiles(distill: dict[str, Any]) -> bool:
    """Whether its two functions are compiled."""
    found = {
        function.func is not plain for function, plain in zip(functions(chosen(distill)), functions(EAGER), strict=True)
    }
    assert len(found) == 1
    return found.pop()


@pytest.fixture
def compiler(monkeypatch):
    """A machine with a C++ compiler."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in COMPILERS else None)


def test_the_configuration_decides_if_it_does_not_leave_it_open(compiler):
    assert compiles(options(compile="always", outer=1))
    assert not compiles(options(compile="never", outer=10**9))


def test_left_open_long_schedules_are_compiled_and_short_ones_are_not(compiler):
    decisions = [compiles(options(compile="auto", outer=10**power)) for power in range(0, 10)]
    assert decisions == sorted(decisions)
    assert not decisions[0] and decisions[-1]


def test_left_open_nothing_is_compiled_on_a_cpu_without_a_compiler(monkeypatch):
    long = options(compile="auto", outer=10**9)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not compiles(long)
    with pytest.raises(UserError, match="compile: always: found no compiler"):
        compiles(long | {"compile": "always"})


def test_the_planned_work_is_that_on_real_images():
    section = options(outer=5, inner=7, batch_real=11, net_images=13)
    model, image = network(), noise(1, 3, 8, 8)
    once = planned_flop(section | {"outer": 1, "inner": 1, "batch_real": 1, "net_images": 0}, model, image, 1)
    assert once > 0
    assert planned_flop(section, model, image, 3) == 5 * 7 * (3 * 11 + 13) * once


def test_the_decision_rests_on_the_schedule_alone(compiler):
    long = options(compile="auto", outer=10**9)
    shared = {
        key: long[key]
        for key in ("network", "width", "outer", "inner", "batch_real", "net_images", "precision", "compile")
    }
    assert compiles(shared)  # nothing else is read
    assert chosen(shared).loss.keywords == chosen(long).loss.keywords  # type: ignore[attr-defined]


def test_a_trajectory_executes_as_its_configuration_says():
    plain, rounded = (
        start(dataset(), options(precision=precision), 0).execution for precision in ("float32", "bfloat16")
    )
    assert [function.keywords["precision"] for function in functions(plain)] == [None, None]
    assert [function.keywords["precision"] for function in functions(rounded)] == [torch.bfloat16, torch.bfloat16]
    assert plain.loss.func is batch_loss


# --- precision ---


def test_the_schema_knows_the_precisions_that_there_are():
    assert section("distill")["properties"]["precision"]["enum"] == list(PRECISIONS)


@pytest.mark.parametrize(
    ("key", "found", "meant"), [("precision", "float23", "float32"), ("compile", "alwais", "always")]
)
def test_an_unknown_word_is_refused(key, found, meant):
    with pytest.raises(UserError, match=f"distill.{key}: found '{found}'; did you mean '{meant}'?"):
        check(overlay(params(), {"distill": {key: found}}))


# --- the compiled functions ---


def one_block() -> Network:
    """The smallest network with everything that the method needs: a convolution, a norm, an
    activation, a pool, a classifier."""
    made = Network(
        [nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), norm(4), nn.ReLU())], nn.AvgPool2d(2), (1, SIDE, SIDE), CLASSES
    )
    with torch.no_grad():
        for weight in made.parameters():
            weight.uniform_(-0.5, 0.5, generator=stream("cpu", "block"))
    return made


class Problem:
    """One matching step of one network on sets with different numbers of pairs."""

    def __init__(self):
        self.network, self.distill = one_block(), options(compile="always", matching_augment=["color", "crop"])
        self.real, self.mean, self.std = (
            noise(CLASSES, 4, 1, SIDE, SIDE).float(),
            torch.tensor([0.4]),
            torch.tensor([0.3]),
        )
        self.draws = augment.draw(self.distill["matching_augment"], CLASSES, SIDE, stream("cpu", "draws"))

    def work(self, pairs: int, seed: int) -> Work:
        """A set with so many (image, window) pairs a class."""
        images, generator = noise(CLASSES, 2, 1, SIDE, SIDE, seed=seed).float(), stream("cpu", "pairs", seed)
        among = candidates(images, windowed())
        drawn = [torch.randint(count, (CLASSES, pairs), generator=generator) for count in (2, len(among.boxes))]
        averages = noise(CLASSES, self.network.classifier.in_features, seed=seed).float()
        return Work(images, torch.stack(drawn, 2), among, averages, windowed())

    def step(self, work: Work, how: Execution) -> Matched:
        return matching_step(self.network, work, self.real, self.draws, self.mean, self.std, execution=how)

    def fresh(self) -> Execution:
        """One that has compiled nothing yet."""
        torch._dynamo.reset()
        return execution_of(self.distill, self.network, self.real[0, :1], CLASSES)


def tensors(found: Matched) -> list[Tensor]:
    return [found.gradient, found.loss_gradient, found.loss_cfc, found.features]


def same(a: Matched, b: Matched) -> bool:
    return all(map(torch.equal, tensors(a), tensors(b)))


@pytest.mark.skipif(
    not any(map(shutil.which, COMPILERS)),
    reason="no C++ compiler (c++, g++, clang++): nothing can be compiled for the CPU",
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses what torch deprecates
def test_a_compiled_step_is_the_eager_one_up_to_rounding_whatever_was_compiled_before():
    """Slow, and the only test that compiles: half a minute with cold caches, a few seconds with warm ones."""
    problem = Problem()
    mine, other = problem.work(3, seed=1), problem.work(5, seed=2)
    how = problem.fresh()
    alone, eager = problem.step(mine, how), problem.step(mine, EAGER)
    for a, b in zip(tensors(alone), tensors(eager), strict=True):
        assert (a - b).abs().max() <= 1e-4 * b.abs().max()
    assert not same(alone, eager)  # else nothing was compiled
    assert same(alone, problem.step(mine, how))
    again = problem.fresh()
    problem.step(other, again)
    assert same(alone, problem.step(mine, again))
    torch._dynamo.reset()
