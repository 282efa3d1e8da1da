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


def restored(path, run: Run) -> Run:
    """A run brought to where the checkpoint is."""
    run.path = path
    run.go_on()
    return run


@pytest.fixture
def saved(tmp_path):
    run, path = Run(config(), dataset()), tmp_path / "run.safetensors"
    run.advance(False)
    checkpoint.save(path, run.trajectory, run.kept()._replace(seconds=1.5))
    return run, path


def test_a_checkpoint_restores_pixels_momentum_streams_network_and_averages(saved):
    run, path = saved
    fresh = Run(config(), dataset())
    assert not torch.equal(fresh.state.images, run.state.images)
    assert restored(path, fresh).before == 1.5
    assert same(fresh.everything(), run.everything())
    needed = {f"state/{name}" for name in ("images", "velocity", "averages")} | {
        f"random/{name}" for name in ("set", "draws", "training")
    }
    assert needed | {"network/classifier.weight", "momentum/classifier.weight"} <= run.everything().keys()


def test_the_restored_state_shares_nothing_with_the_file_or_another_run(saved):
    run, path = saved
    before = path.read_bytes()
    first, second = Run(config(), dataset()), Run(config(), dataset())
    for fresh in (first, second):
        restored(path, fresh)
    first.advance(False)
    assert path.read_bytes() == before
    assert same(second.everything(), run.everything())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused_in_one_line(saved, share):
    _, path = saved
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(
        UserError, match="not a whole checkpoint .*; if it is one of this run, delete it to start again"
    ) as error:
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
        run = Run(config(), dataset())
        restored(path, run)
    with_metadata(path, format=0)
    with pytest.raises(UserError, match="found a checkpoint of format 0, expected 2"):
        checkpoint.read(path)
    save_file({"images": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="format None"):
        checkpoint.read(path)


def test_a_full_disk_leaves_the_last_checkpoint(saved, monkeypatch):
    run, path = saved
    before, kept = path.read_bytes(), run.everything()
    run.advance(False)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoint.save(path, run.trajectory, run.kept())
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    fresh = Run(config(), dataset())
    restored(path, fresh)
    assert same(fresh.everything(), kept)


def test_a_checkpoint_of_another_run_is_refused_where_its_name_does_not_say_so(saved):
    run, path = saved
    checkpoint.save(path, run.trajectory, run.kept(), "one")
    with pytest.raises(
        UserError,
        match="a checkpoint of other data, another configuration or other code; delete it, or give another file",
    ):
        checkpoint.restore(path, run.trajectory, run.kept(), "another")
