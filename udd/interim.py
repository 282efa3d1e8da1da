"""What networks came to in an evaluation that was cut: each result is kept as it is found, by what it was found of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from udd.errors import UserError
from udd.files import read_json, write_json

Result = dict[str, Any]
FORMAT = "udd: networks of evaluations, 1"


def interim(out: Path | None) -> Interim:
    """What is kept of an evaluation until its result stands at `out`: in OUT.part, or nowhere. Raises UserError if
    something else stands there."""
    return Interim(out and out.with_name(f"{out.name}.part"))


class Interim:
    """Results in a file (JSON), or nowhere where `path` is None. Several evaluations may keep theirs in one file."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.asked = path, set[str]()
        self.results()

    def results(self) -> dict[str, Result]:
        """What is kept, by key; nothing if there is no file. Raises UserError if it holds something else."""
        if self.path is None or not self.path.exists():
            return {}
        found = read_json(self.path, "give another name")
        if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("results"), dict):
            raise UserError(f"{self.path}: not what an evaluation that was cut left; move it, or give another name")
        return found["results"]

    def result(self, key: str, find: Callable[[], Result]) -> Result:
        """What is kept under `key`, else found now, and kept."""
        self.asked.add(key)
        if (before := self.results().get(key)) is not None:
            return before
        found = find()
        if self.path is not None:
            self.write(self.results() | {key: found})  # read again: another evaluation may keep its own there
        return found

    def done(self) -> None:
        """Drop what was asked for, now that it stands elsewhere; another evaluation's stays."""
        if self.path is None or not self.path.exists():
            return
        others = {key: value for key, value in self.results().items() if key not in self.asked}
        if others:
            return self.write(others)
        self.path.unlink(missing_ok=True)

    def write(self, results: dict[str, Result]) -> None:
        """Write the file anew."""
        if self.path is not None:
            write_json(self.path, {"format": FORMAT, "results": results})
