"""Files that are whole or absent."""

import errno
import fcntl
import hashlib
import os
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udd.command import main
from udd.errors import Busy, UserError
from udd.files import atomic_path, check_set, check_writable, lock, read_json, sha256, write_atomic, write_json


class OutOfMemoryError(RuntimeError):
    """What torch raises, by its name."""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writing_makes_the_folder_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomic(path, "first")
    write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("when", ["os.replace", "os.fsync", "pathlib.Path.write_bytes"])
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path, monkeypatch, when):
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(when, full)
    with pytest.raises(
        UserError, match="file: could not be written .No space left on device.; free some space"
    ) as error:
        write_atomic(path, "new")
    assert "\n" not in str(error.value)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_failure_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_is_a_file_ends_in_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(lambda: write_atomic(tmp_path / "file" / "below", "text"))
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "file" in error


def test_a_device_without_memory_ends_in_one_line_and_another_error_does_not(capsys):
    def fail(error: RuntimeError) -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        main(lambda: fail(OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")))
    assert ended.value.code == 1
    assert (
        capsys.readouterr().err
        == "error: the device has too little free memory: CUDA out of memory. Tried to allocate 2 GiB\n"
    )
    with pytest.raises(RuntimeError, match="a bug"):
        main(lambda: fail(RuntimeError("a bug")))


@settings(deadline=None, max_examples=30)
@given(VALUES)
def test_json_comes_back(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_has_one_spelling(tmp_path):
    write_json(tmp_path / "one", {"b": 1, "a": [1, 2]})
    write_json(tmp_path / "two", {"a": [1, 2], "b": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b'{"a": 1', "not a whole JSON file"), (b"\xff\xfe\x00", "not a whole JSON file")],
)
def test_a_missing_or_broken_json_is_one_line(tmp_path, content, words):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        read_json(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_of_a_users_own_json_nothing_is_made_or_deleted(tmp_path):
    for content in (None, "{"):
        if content:
            (tmp_path / "x.json").write_text(content)
        with pytest.raises(UserError, match="x.json: .*; give another$") as error:
            read_json(tmp_path / "x.json", "give another")
        assert "delete" not in str(error.value) and "snakemake" not in str(error.value)


@pytest.mark.parametrize("path", [None, 3])
def test_what_is_no_path_is_told_in_one_line(path):
    for act in (lambda: write_atomic(path, "text"), lambda: check_set(path)):
        with pytest.raises(UserError, match=f"found {path} in place of a file, expected its path as text"):
            act()


def test_where_nothing_can_be_written_is_told_before_work_and_at_a_lock(tmp_path):
    (tmp_path / "file").write_text("")
    for act in (lambda: check_writable(tmp_path / "file" / "below"), lock(tmp_path / "file" / "below" / "a").__enter__):
        with pytest.raises(UserError, match="below.*: could not be written .*; free some space or permissions"):
            act()
    check_writable(tmp_path / "new" / "folder")
    assert names(tmp_path) == ["file"]


def test_anothers_file_is_no_set_of_ours_and_is_not_to_be_deleted(tmp_path):
    with pytest.raises(UserError, match="a.safetensors: no such file$"):
        check_set(tmp_path / "a.safetensors")
    (tmp_path / "res.pt").write_bytes(b"PK" * 20)
    for path in (tmp_path / "res.pt", tmp_path):
        with pytest.raises(UserError, match=f"not a .safetensors of ours; read it by udd import {path} --as FORMAT"):
            check_set(path)
    (tmp_path / "set.old").write_bytes((2).to_bytes(8, "little") + b"{}")
    check_set(tmp_path / "set.old")


def test_the_checksum_is_sha256(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    assert sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_a_lock_is_held_by_one_and_free_again_after_a_failure(tmp_path):
    path = tmp_path / "deep" / "out"
    with pytest.raises(ZeroDivisionError), lock(path):
        with (
            pytest.raises(UserError, match="out: another run is writing this output; wait for it or stop it first"),
            lock(path),
        ):
            pass
        raise ZeroDivisionError
    with lock(path), lock(tmp_path / "other"):
        pass


def test_a_written_file_can_be_read_by_others(tmp_path):
    write_atomic(tmp_path / "file", "text")
    (tmp_path / "plain").write_text("text")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_lock_file_that_its_holder_takes_away_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the look and the lock; else two runs could hold one each."""
    path, real = tmp_path / "a.lock", fcntl.flock
    gone = iter([True])

    def flock(handle: Any, how: int) -> None:
        if next(gone, False):
            path.unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock(tmp_path / "a"):
        assert path.exists()
        with pytest.raises(Busy), lock(tmp_path / "a"):
            pass


@pytest.mark.parametrize(("number", "error"), [(errno.ENOLCK, None), (errno.EIO, UserError)])
def test_a_file_system_without_locks_stops_no_run(
    number: int, error: type[Exception] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def flock(*_: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(error, match="a.lock: could not be written") if error else nullcontext(), lock(tmp_path / "a"):
        pass
