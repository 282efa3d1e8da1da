"""What a GPU plays back is what it would compute. Recordings are emulated here: played, they call the function
again on the tensors they keep."""

from contextlib import nullcontext

import pytest
import torch
from tiny import network, noise
from torch import Tensor

from udd.networks import replay, training
from udd.networks.streams import stream

RECIPE = training.PLAIN | {
    "epochs": 4,
    "batch": 4,
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "decay_at": [0.5],
    "decay": 0.2,
}
RECIPE |= {"augment": ["color", "crop|flip"], "cutmix_p": 0.5}
MEAN, STD = torch.full((3,), 0.4, dtype=torch.float64), torch.full((3,), 0.3, dtype=torch.float64)


class Emulated:
    """A graph that is played by calling the function again."""

    def __init__(self, call):
        self.call, self.played = call, 0
        self.outputs = [each.clone() for each in call()]

    def replay(self) -> None:
        self.played += 1
        for kept, new in zip(self.outputs, self.call(), strict=True):
            kept.copy_(new)

    def pool(self) -> str:
        return "pool"


@pytest.fixture
def graphs(monkeypatch) -> list[Emulated]:
    made: list[Emulated] = []

    def capture(call, generators, pool):
        states = [generator.get_state() for generator in generators]
        touched = [tensor.clone() for tensor in player.touched] if (player := made_player[-1]) else []
        made.append(Emulated(call))
        for generator, state in zip(generators, states, strict=True):  # a true recording computes nothing
            generator.set_state(state)
        with torch.no_grad():
            for tensor, value in zip(player.touched, touched, strict=True):
                tensor.copy_(value)
        return made[-1], made[-1].outputs

    made_player: list[replay.Player] = []
    init = replay.Player.__init__

    def noted(self, *args):
        init(self, *args)
        made_player.append(self)

    monkeypatch.setattr(replay.Player, "__init__", noted)
    monkeypatch.setattr(replay, "capture", capture)
    monkeypatch.setattr(replay, "aside", nullcontext)
    return made


def product(a: Tensor, more: dict, scale: float) -> tuple[Tensor, Tensor]:
    return a @ more["b"][0] * scale, a.sum()


def test_a_recording_is_played_on_new_tensors_and_its_outputs_belong_to_the_caller(graphs):
    play = replay.Player([], ())
    pairs = [(noise(3, 4), noise(4, 2)) for _ in range(4)]
    found = [play(product, a, {"b": (b,)}, 2.0) for a, b in pairs]
    assert len(graphs) == 1 and graphs[0].played == 4
    for (a, b), (times, total) in zip(pairs, found, strict=True):
        assert torch.equal(times, a @ b * 2) and torch.equal(total, a.sum())


def test_every_shape_type_and_constant_has_its_recording(graphs):
    play = replay.Player([], ())
    calls = [(noise(3, 4), 2.0), (noise(5, 4), 2.0), (noise(3, 4).float(), 2.0), (noise(3, 4), 3.0), (noise(3, 4), 2.0)]
    for a, scale in calls:
        b = noise(4, 2).to(a.dtype)
        assert torch.equal(play(product, a, {"b": (b,)}, scale)[0], a @ b * scale)
    assert len(graphs) == 4


def test_training_goes_the_same_way_with_the_same_bits(graphs, monkeypatch):
    images, labels = noise(10, 3, 8, 8), torch.arange(10) % 3
    plain, played = network(width=4, seed=1), network(width=4, seed=1)
    training.train(plain, images, labels, RECIPE, MEAN, STD, stream("cpu", "train", 0))
    monkeypatch.setattr(
        training, "step_player", lambda optimizer, generator: replay.Player(optimizer.touched(), [generator])
    )
    training.train(played, images, labels, RECIPE, MEAN, STD, stream("cpu", "train", 0))
    assert sum(graph.played for graph in graphs) == 12 and len(graphs) == 4  # two sizes of batches, two rates
    for a, b in zip(plain.parameters(), played.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_cannot_be_recorded_is_called_and_that_is_said(graphs, monkeypatch, capsys):
    def refuse(*_):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(replay, "capture", refuse)
    play, a, b = replay.Player([], ()), noise(3, 4), noise(4, 2)
    for _ in range(2):
        assert torch.equal(play(product, a, {"b": (b,)}, 1.0)[0], a @ b)
    assert (
        capsys.readouterr().err
        == "product: not recorded, called as it is (operation not permitted when stream is capturing)\n"
    )


def test_a_cpu_calls_functions_as_they_are():
    assert replay.player(torch.device("cpu")) is replay.called
    assert isinstance(replay.player(torch.device("cuda")), replay.Player)
