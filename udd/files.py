"""Files that are either whole or absent: atomic writing, checksums, JSON, locks."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from udd.errors import Busy, UserError


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell in one line what the system says against writing `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: could not be written ({error.strerror or error}); free some space or permissions and run again"
        ) from error


def as_path(path: Path | str) -> Path:
    """A file's path. Raises UserError for what is none, as None is."""
    if isinstance(path, str | os.PathLike):
        return Path(path)
    raise UserError(f"found {path!r} in place of a file, expected its path as text; name the file")


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed to `path`, on failure
    removed and `path` left alone. Raises UserError if it cannot be written."""
    path = as_path(path)
    # Another node's process may have this number
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def check_writable(folder: Path | str) -> None:
    """Raise UserError, before any work, if no file can be written into a folder, or, where there is none yet, into the
    one in which it would be made."""
    folder = Path(folder).absolute()
    with told(folder):
        place = next(each for each in (folder, *folder.parents) if each.exists())
        tempfile.TemporaryFile(dir=place).close()


def check_set(path: Path | str) -> None:
    """Raise UserError for what somebody names as a set of ours and is another's, or is not there."""
    path = as_path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    with told_unreadable(path):
        ours = path.is_file() and (path.suffix == ".safetensors" or is_safetensors(path))
    if not ours:
        raise UserError(f"{path}: not a .safetensors of ours; read it by udd import {path} --as FORMAT --dataset NAME")


@contextmanager
def told_unreadable(path: Path) -> Iterator[None]:
    """Tell in one line what the system says against reading `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, by any name: the length of a header, and that as JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def write_atomic(path: Path | str, data: bytes | str) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as JSON with sorted keys: the same value gives the same bytes."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path | str, advice: str = "") -> Any:
    """The JSON value in `path`. Raises UserError if the file is missing or is not JSON. advice: what to do then, where
    the file is a user's own and no rule makes it."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {advice or f'run the rule that makes it (snakemake {path})'}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a whole JSON file ({error}); {advice or 'delete it and run again'}") from None


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def inputs_digest(files: Iterable[Path | str | None]) -> str:
    """The digest of the contents of the files that a result is made of: the data set's manifest, and the
    set that is evaluated, if any.

    Raises UserError if one is missing."""
    try:
        return hashlib.sha256("".join(sha256(file) for file in files if file).encode()).hexdigest()
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; make it with snakemake or pull it with dvc pull") from None


def with_name(path: Path) -> Path:
    """A path that ends in a name, where `.` and `..` have none."""
    return path if path.name not in ("", "..") else path.resolve()


UNLOCKABLE = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}  # what a file system without locks says


@contextmanager
def try_lock(path: Path | str) -> Iterator[bool]:
    """Try to hold `path`.lock for as long as the block runs; yields whether it was free, as it always is on a file
    system without locks. Raises UserError if it cannot be written."""
    path = Path(f"{path}.lock")
    with ExitStack() as held:
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = held.enter_context(open(path, "w"))
            free = taken(handle)
            while free and not still(handle, path):  # its holder took it away in between
                handle = held.enter_context(open(path, "w"))
                free = taken(handle)
        yield free


def taken(handle: TextIO) -> bool:
    """Whether a file could be locked, if it can be locked at all."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNLOCKABLE:
            raise
    return True


def still(handle: TextIO, path: Path) -> bool:
    """Whether an open file is the one that stands at `path`."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def lock(path: Path | str) -> Iterator[None]:
    """Hold `path`.lock for as long as the block runs. Raises Busy if another process has it: two runs at one
    output do the same work twice."""
    with try_lock(path) as free:
        if not free:
            raise Busy(f"{path}: another run is writing this output; wait for it or stop it first")
        yield


@contextmanager
def passing_lock(path: Path | str) -> Iterator[None]:
    """`lock`, whose file goes with it: for a place that nobody asked for."""
    with lock(path):
        try:
            yield
        finally:
            Path(f"{path}.lock").unlink(missing_ok=True)
