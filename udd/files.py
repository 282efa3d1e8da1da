"""Files that are either whole or absent: atomic writing, checksums, JSON, locks."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from udd.errors import Busy, UserError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed to `path`, on failure
    removed and `path` left alone."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another node's process may have this number
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"{path}: could not be written ({error.strerror or error}); free some space or permissions and run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path | str, data: bytes | str) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as JSON with sorted keys: the same value gives the same bytes."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path | str) -> Any:
    """The JSON value in `path`. Raises UserError if the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the rule that makes it (snakemake {path})") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a whole JSON file ({error}); delete it and run again") from None


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


@contextmanager
def try_lock(path: Path | str) -> Iterator[bool]:
    """Try to hold `path`.lock for as long as the block runs; yields whether it was free."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        yield free


@contextmanager
def lock(path: Path | str) -> Iterator[None]:
    """Hold `path`.lock for as long as the block runs. Raises Busy if another process has it: two runs at one
    output do the same work twice."""
    with try_lock(path) as free:
        if not free:
            raise Busy(f"{path}: another run is writing this output; wait for it or stop it first")
        yield
