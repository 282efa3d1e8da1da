"""Two jobs at one set, as after the death of who submitted the first: nothing is lost, nothing is half."""

import multiprocessing
from contextlib import contextmanager
from pathlib import Path

import pytest
from jobs import Bench, in_order
from tiny import config

from udd import files
from udd.errors import Busy
from udd.files import atomic_path, lock


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def distil_without_locks(folder: Path, options: list[str]) -> None:
    """A job on a file system whose locks do not hold: every lock is free. It checks its way after every step."""

    @contextmanager
    def free(_path):
        yield True

    files.try_lock = free
    from udd.runs import distilling

    distilling.run(options)


def test_two_at_once_without_locks_make_the_set_that_one_makes(bench):
    made = config(outer=3)
    bench.distil(made, "alone")
    options = [
        *bench.options(made),
        "--out",
        str(bench.folder / "both.safetensors"),
        "--checkpoints",
        str(bench.folder / "checkpoints" / "both"),
    ]
    context = multiprocessing.get_context("spawn")
    call = (bench.folder, [*options, "--checkpoint-seconds", "0", "--threads", "1"])
    two = [context.Process(target=distil_without_locks, args=call) for _ in range(2)]
    for process in two:
        process.start()
    for process in two:
        process.join()
    assert [process.exitcode for process in two] == [0, 0]
    assert bench.same("alone", "both") and in_order(bench.folder / "checkpoints" / "both") == []
    assert not list(bench.folder.rglob("*.part"))


def test_two_processes_of_one_number_on_two_nodes_write_aside_under_two_names(tmp_path):
    with atomic_path(tmp_path / "a") as one, atomic_path(tmp_path / "a") as two:
        one.write_text("one")
        two.write_text("two")
        assert one != two
    assert (tmp_path / "a").read_text() in ("one", "two")


def test_where_locks_hold_the_second_is_told_that_the_first_is_at_it(bench):
    with lock(bench.folder / "set.safetensors"), pytest.raises(Busy, match="another run is writing this output"):
        bench.distil(config(), "set")


def test_a_job_that_follows_a_finished_one_ends_at_once(bench, monkeypatch, capsys):
    """On Slurm the last checkpoint stays, since the second job's Snakemake removes the set that the first
    one made before it begins."""
    bench.distil(config(), "alone")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("UDD_REQUEUE", "1")
    bench.distil(config(), "set")
    (bench.folder / "set.safetensors").unlink()
    (bench.folder / "set.csv").unlink()
    capsys.readouterr()
    bench.distil(config(), "set")
    said = capsys.readouterr().err
    assert "goes on from" in said and "loss_gradient" not in said
    assert bench.same("alone", "set")
