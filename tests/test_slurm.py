"""Which jobs put themselves back into Slurm's queue, seen through a false scontrol; the
real one is asked in tests/slurm."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from udd import workflow
from udd.command import main
from udd.errors import Busy, Stopped, UserError
from udd.slurm import queue_again
from udd.workflow import start


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A job of the workflow's, number 7; returns a function that sets its state, and what requeue exits with, and
    returns the file of calls."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("UDD_REQUEUE", "1")
    calls = tmp_path / "calls"

    def scontrol(state: str, refused: int = 0) -> Path:
        script = tmp_path / "scontrol"
        script.write_text(
            f'#!/bin/sh\necho "$*" >> {calls}\necho "JobId=7 JobState={state} Reason=None"\n[ $1 = show ] || exit '
            f"{refused}\n"
        )
        script.chmod(0o755)
        return calls

    return scontrol


def ended(error: Exception) -> int:
    """The exit code of a module that ends with this error."""

    def run():
        raise error

    with pytest.raises(SystemExit) as found:
        main(run)
    return int(str(found.value.code))


def test_a_job_that_was_cut_further_on_is_queued_again(asked, capsys):
    calls = asked("RUNNING")
    assert ended(Stopped("stopped by SIGTERM")) == 75
    assert calls.read_text().splitlines() == ["show job -o 7", "requeue 7"]
    assert capsys.readouterr().err == "stopped by SIGTERM; queued again by Slurm\n"


def test_a_job_without_progress_is_not(asked, capsys):
    calls = asked("RUNNING")
    assert ended(Stopped("stopped by SIGTERM", advanced=False)) == 75
    assert not calls.exists() and capsys.readouterr().err == "stopped by SIGTERM\n"


@pytest.mark.parametrize("state", ["CANCELLED", "COMPLETING", "TIMEOUT", "PREEMPTED"])
def test_a_job_that_is_being_cancelled_is_not(asked, state):
    calls = asked(state)
    assert not queue_again() and "requeue" not in calls.read_text()


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "UDD_REQUEUE"])
def test_nor_is_what_the_workflow_did_not_submit(asked, variable, monkeypatch):
    calls = asked("RUNNING")
    monkeypatch.delenv(variable)
    assert not queue_again() and not calls.exists()


def test_where_slurm_refuses_or_is_not_there_the_job_just_ends(asked, monkeypatch, tmp_path, capsys):
    asked("RUNNING", refused=1)
    assert not queue_again()
    (tmp_path / "scontrol").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ended(Stopped("cut")) == 75 and capsys.readouterr().err == "cut\n"


def test_a_second_job_at_an_output_waits_in_the_queue_and_fails_without_one(asked, monkeypatch):
    asked("RUNNING")
    assert ended(Busy("set: another run is writing this output")) == 75
    monkeypatch.delenv("UDD_REQUEUE")
    assert ended(Busy("set: another run is writing this output")) == ended(UserError("other"))


@pytest.mark.parametrize(
    ("amount", "visible", "expected"), [(0, True, 0), (2, False, 1), (None, False, 0), (None, True, 1)]
)
def test_gpu_0_is_for_partitions_without(amount, visible, expected, monkeypatch):
    monkeypatch.setattr(start, "gpu_visible", lambda: visible)
    resources = {} if amount is None else {"gpu": amount}
    found = SimpleNamespace(global_resources=resources, register_resource=resources.__setitem__)
    assert workflow.gpus_a_job(found) == expected
