"""A distillation that is cut, killed, or breaks: it goes on to the same bits, and nothing that was computed is lost."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jobs import refusal, same_sets, stopped_once
from tiny import ROOT, config

from udd.command import STOPPED
from udd.errors import Stopped, UserError
from udd.runs import distilling, loop, task

CONFIG = config()
LONG = config(outer=4, inner=8)  # long enough to be caught in its middle


def test_a_run_stopped_after_every_step_ends_with_the_same_bits(argv, tmp_path):
    made = config(ipc=1, policy="vote", max_pairs=5)
    distilling.run(argv(made, "whole"))
    stops = 0
    for _ in range(4):
        try:
            distilling.run(argv(made, "cut", "--time-limit", "0"))
        except Stopped as stopped:
            stops += 1
            assert f"stopped by time limit after {stops} of 4 iterations" in str(stopped)
    assert stops == 3
    same_sets(tmp_path, "whole", "cut")


def interrupted(arguments: list[str], folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own and send it a signal once its first checkpoint is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "udd", "distill", *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 300
    while not list(folder.glob("*.safetensors")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, "", error)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, STOPPED), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_ended_by_a_signal_goes_on_to_the_same_bits(argv, tmp_path, capsys, number, code):
    folder = tmp_path / "checkpoints" / "cut"
    ended = interrupted(argv(LONG, "cut", "--checkpoint-seconds", "0"), folder, number)
    assert ended.returncode == code
    assert not (tmp_path / "cut.safetensors").exists()
    if number == signal.SIGTERM:
        assert "stopped by SIGTERM after " in ended.stderr.splitlines()[-1]
        assert "run the same command again to go on from" in ended.stderr.splitlines()[-1]
    distilling.run(argv(LONG, "cut"))
    assert "goes on from" in capsys.readouterr().err
    distilling.run(argv(LONG, "whole"))
    same_sets(tmp_path, "whole", "cut")


def killed(arguments: list[str], checkpoint: Path, source: random.Random) -> None:
    """Go on with the run in a process of its own and kill it at a random moment of one of the next few
    steps, its writing included."""
    process = multiprocessing.get_context("forkserver").Process(target=distilling.run, args=(arguments,))
    process.start()
    seen, steps, delay = set[int](), source.randint(1, 3), source.uniform(0, 0.05)
    while len(seen) <= steps and process.exitcode is None:
        seen |= {checkpoint.stat().st_mtime_ns} if checkpoint.exists() else {0}
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_a_run_killed_ten_times_at_random_moments_has_the_same_bits(argv, made, tmp_path, capsys):
    long = config(outer=8, inner=10, ipc=1, policy="vote", max_pairs=5)
    arguments, source = (
        argv(long, "cut", "--checkpoint-seconds", "0", "--log-every", "20", "--threads", "1"),
        random.Random(),
    )
    checkpoint = task.checkpoint_path(tmp_path / "checkpoints" / "cut", long, made[0])
    # Imported once, as is what a first step asks torch for
    multiprocessing.get_context("forkserver").set_forkserver_preload(["udd.runs.distilling", "torch._dynamo"])
    for _ in range(10):
        killed(arguments, checkpoint, source)
        assert checkpoint.exists() and not (tmp_path / "cut.safetensors").exists()
    distilling.run(arguments)
    assert "goes on from" in capsys.readouterr().err
    distilling.run(argv(long, "whole", "--log-every", "20"))
    same_sets(tmp_path, "whole", "cut")


def test_a_truncated_checkpoint_is_refused_and_kept(argv, made, tmp_path, capsys):
    stopped_once(argv())
    path = task.checkpoint_path((tmp_path / "checkpoints" / "set"), CONFIG, made[0])
    path.write_bytes(path.read_bytes()[:-100])
    size = path.stat().st_size
    capsys.readouterr()
    assert f"{path}: not a whole checkpoint" in refusal(argv(), capsys)
    assert path.stat().st_size == size
    path.unlink()
    distilling.run(argv())


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_can_go_on(argv, made, tmp_path, capsys, monkeypatch):
    distilling.run(argv(CONFIG, "whole"))
    stopped_once(argv())
    path = task.checkpoint_path((tmp_path / "checkpoints" / "set"), CONFIG, made[0])
    before = path.read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.raises(UserError, match="could not be written .No space left on device."):
            distilling.run(argv(CONFIG, "set", "--checkpoint-seconds", "0"))
        with pytest.raises(UserError, match="set.csv: could not be written"):
            distilling.run(argv(CONFIG, "set"))
    assert path.read_bytes() == before
    assert not (tmp_path / "set.safetensors").exists()
    distilling.run(argv())
    same_sets(tmp_path, "whole", "set")


def test_a_checkpoint_stays_until_its_set_is_written(argv, made, tmp_path, monkeypatch):
    def full(*_):
        raise UserError("no space")

    monkeypatch.setattr(distilling.sets, "save", full)
    with pytest.raises(UserError, match="no space"):
        distilling.run(argv(CONFIG, "set", "--checkpoint-seconds", "0"))
    assert task.checkpoint_path(tmp_path / "checkpoints" / "set", CONFIG, made[0]).exists()


def test_a_loss_that_is_not_finite_names_iteration_class_and_last_good_checkpoint(argv, tmp_path):
    wild = config(image_lr=1e30, outer=3)
    with pytest.raises(
        UserError,
        match=r"udd: the loss is not finite at iteration [1-4], class \d; there is no checkpoint yet; lower image_lr",
    ):
        distilling.run(argv(wild, "wild"))
    assert not (tmp_path / "wild.safetensors").exists()


def test_the_first_class_that_broke_is_named_and_the_last_good_checkpoint_kept(argv, made, tmp_path, monkeypatch):
    arguments = argv(CONFIG, "set", "--log-every", "4", "--checkpoint-seconds", "0")
    stopped_once(arguments)
    path = task.checkpoint_path((tmp_path / "checkpoints" / "set"), CONFIG, made[0])
    before, advance = path.read_bytes(), loop.Distillation.advance

    def breaking(run, logged):
        run.state.images[1, 0] = float("nan")
        return advance(run, logged)

    monkeypatch.setattr(loop.Distillation, "advance", breaking)
    with pytest.raises(
        UserError, match=r"not finite at iteration 2, class 1; the last good checkpoint is .*; lower image_lr"
    ) as error:
        distilling.run(arguments)
    assert str(path) in str(error.value)
    assert path.read_bytes() == before
    monkeypatch.undo()
    later = argv(CONFIG, "set", "--log-every", "4", "--checkpoint-seconds", "1000")
    monkeypatch.setattr(loop.Distillation, "advance", breaking)
    with pytest.raises(UserError, match="not finite at iteration 2, class 1"):  # found two steps later, at the log line
        distilling.run(later)
