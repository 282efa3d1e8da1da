"""Checkpoint files: whole or refused. That a resumed run has the same bits is in test_distill_bits."""

import json

import pytest
import torch
from runs import Run, same
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import config, dataset

from udd.errors import UserError
from udd.runs import checkpoint

CPU = torch.device("cpu")
CURVE = torch.zeros(0, 9, dtype=torch.float64)


@pytest.fixture
def saved(tmp_path):
    run, path = Run([config()], dataset()), tmp_path / "run.safetensors"
    run.step()
    checkpoint.save(path, run.trajectory, run.sets, [CURVE], 1.5)
    return run, path


def test_a_checkpoint_restores_pixels_momentum_streams_network_and_averages(saved):
    run, path = saved
    fresh = Run([config()], dataset())
    assert not torch.equal(fresh.sets[0].images, run.sets[0].images)
    assert checkpoint.restore(path, fresh.trajectory, fresh.sets)[1] == 1.5
    assert same(fresh.state(), run.state())
    needed = ("images 0", "velocity 0", "averages 0", "random 0", "draws", "training", "weight classifier.weight", "momentum classifier.weight")
    assert set(needed) <= run.state().keys()


def test_the_restored_state_shares_nothing_with_the_file_or_another_run(saved):
    run, path = saved
    before = path.read_bytes()
    first, second = Run([config()], dataset()), Run([config()], dataset())
    for fresh in (first, second):
        checkpoint.restore(path, fresh.trajectory, fresh.sets)
    first.step()
    assert path.read_bytes() == before
    assert same(second.state(), run.state())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused_in_one_line(saved, share):
    _, path = saved
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match="not a whole checkpoint .*; delete it to start this run again") as error:
        checkpoint.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def with_metadata(path, **changes) -> None:
    """The same checkpoint with other metadata."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["udd"]) | changes
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"udd": json.dumps(metadata)})


def test_another_format_and_another_device_are_refused(saved):
    _, path = saved
    with_metadata(path, device="cuda")
    with pytest.raises(UserError, match="begun on cuda cannot go on on cpu; use --device cuda or delete it"):
        run = Run([config()], dataset())
        checkpoint.restore(path, run.trajectory, run.sets)
    with_metadata(path, format=0)
    with pytest.raises(UserError, match="found a checkpoint of format 0, expected 1"):
        checkpoint.read(path)
    save_file({"images": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="format None"):
        checkpoint.read(path)


def test_a_full_disk_leaves_the_last_checkpoint(saved, monkeypatch):
    run, path = saved
    before, kept = path.read_bytes(), run.state()
    run.step()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoint.save(path, run.trajectory, run.sets, [CURVE], 2.0)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    fresh = Run([config()], dataset())
    checkpoint.restore(path, fresh.trajectory, fresh.sets)
    assert same(fresh.state(), kept)
