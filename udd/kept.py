"""What networks came to in an evaluation that was cut: each result is kept as it is found, by what it was found of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from udd.errors import UserError
from udd.files import read_json, write_json

Result = dict[str, Any]


def results(path: Path) -> dict[str, Result]:
    """What is kept in a file; nothing if there is none. Raises UserError if it holds something else."""
    found = read_json(path, "give another name") if path.exists() else {}
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise UserError(f"{path}: not what an evaluation that was cut left; move it, or give another name")
    return found


def kept(path: Path | None, key: str, find: Callable[[], Result]) -> Result:
    """The result that a file keeps under `key`, else found now, and kept there. None: kept nowhere."""
    if path is None:
        return find()
    if (before := results(path).get(key)) is not None:
        return before
    found = find()
    write_json(path, results(path) | {key: found})  # read again: another evaluation may keep its own there
    return found
