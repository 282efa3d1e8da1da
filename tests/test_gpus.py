"""Which GPU a run takes, with made-up GPUs and real locks."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import torch
from tiny import ROOT

from udd import device as gpus
from udd.errors import UsageError, UserError

TWO = {0: "GPU-a", 1: "GPU-b"}


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    """Locks of our own, given back at the end; closing the stack is what the end of a process does."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ExitStack() as held:
        monkeypatch.setattr(gpus, "HELD", held)
        monkeypatch.setattr(gpus, "MINE", [])
        yield held


def another(found: dict[int, str]) -> int:
    """What another process would get beside those that hold one: one that has none yet."""
    gpus.MINE.clear()
    return gpus.reserve(found)


@pytest.fixture
def current(monkeypatch):
    """Two made-up GPUs; the list of those that were made torch's current one."""
    made: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=TWO[number]))
    monkeypatch.setattr(torch.cuda, "set_device", made.append)
    return made


def test_runs_take_free_gpus_first_and_then_share_evenly():
    assert [another(TWO) for _ in range(5)] == [0, 1, 0, 1, 0]


def test_a_run_that_asks_again_gets_the_gpu_it_has_and_takes_no_other(tmp_path):
    assert another(TWO) == 0  # another process's
    gpus.MINE.clear()
    assert [gpus.reserve(TWO) for _ in range(3)] == [1, 1, 1]
    assert gpus.reserve({0: "GPU-b"}) == 0  # the same one, by another number
    assert another(TWO) == 0  # shared with the first, as none is free: nobody holds a second place


def test_a_gpu_is_known_by_its_uuid_and_not_by_its_number():
    assert another({0: "GPU-b"}) == 0  # CUDA_VISIBLE_DEVICES=1
    assert another(TWO) == 0 and another(TWO | {2: "GPU-c"}) == 2


def test_a_gpu_is_free_again_when_its_run_ends(locks):
    assert gpus.reserve(TWO) == 0
    locks.close()
    assert another(TWO) == 0


def test_a_killed_run_gives_its_gpu_back(tmp_path):
    code = f"from udd.device import reserve; print(reserve({TWO}), flush=True); input()"
    options = {"cwd": ROOT, "env": os.environ | {"TMPDIR": str(tmp_path)}, "text": True}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
    ) as other:
        assert other.stdout and other.stdout.readline() == "0\n"
        assert another(TWO) == 1
        other.kill()
    assert another(TWO) == 0


@pytest.mark.parametrize("name", ["mps", "meta", "gpu", None])
def test_a_device_that_nothing_here_runs_on_is_bad_usage(name):
    with pytest.raises(UsageError, match=f"^--device {name}: not a device; use auto, cpu, cuda or cuda:N"):
        gpus.setup(name)


def test_threads_are_a_whole_number():
    with pytest.raises(UserError, match="^threads: found '1', expected a whole number"):
        gpus.setup("cpu", "1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(["auto", "cuda", "cuda"], [0, 0, 0]), (["cuda:1", "cuda", "cuda:0", "cuda:1"], [1, 1, 0, 1])],
)
def test_the_device_option_takes_the_gpu_it_has_a_free_one_or_the_named_one(current, names, numbers):
    found = [gpus.setup(name) for name in names]
    assert found == [torch.device("cuda", number) for number in numbers] and current == numbers


def test_a_gpu_that_is_not_there_is_refused(current):
    with pytest.raises(UserError, match="^--device cuda:2: found 2 GPUs, expected at most cuda:1; name another"):
        gpus.setup("cuda:2")


def test_another_users_folder_is_refused(tmp_path, monkeypatch):
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(UserError, match=rf"udd-{me + 1}: owned by user {me}, expected {me + 1}; set TMPDIR"):
        gpus.reserve(TWO)
