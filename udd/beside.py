"""What stands where a command would write: ours, a run that was cut, or something else, which is not replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from udd.command import marked
from udd.config.compare import difference
from udd.errors import UserError
from udd.files import read_json
from udd.given import CURVE, SET
from udd.reports.page import MARK
from udd.synthetic.sets import load

MARKS = {
    ".safetensors": SET,
    ".csv": CURVE,
    ".png": MARK.encode(),
    ".html": MARK.encode(),
}
ANOTHER_NAME = "give this one another name: --out FILE.safetensors"


def origin(out: Path) -> dict[str, Any]:
    """What a set that is there already says of where it comes from; nothing if there is none."""
    try:
        return load(out).metadata.get("provenance", {})
    except UserError:
        return {}


def ours(path: Path) -> bool:
    """Whether a file is there and is of ours, by its first bytes."""
    return marked(MARKS[path.suffix], path)


def refuse_places(out: Path) -> None:
    """Raise UserError if a folder, or a file of something else, stands where a file of the set would go."""
    for ending in (out.suffix, ".checkpoint", ".schedule.json", ".csv", ".png", ".html"):
        if (beside := out.with_suffix(ending)).is_dir():
            raise UserError(f"{beside}: a folder stands where a file of the set would go; give another --out")
    if any(out.with_suffix(ending).exists() for ending in (".checkpoint", ".schedule.json")) or ours(out):
        return
    for ending in MARKS:
        if (beside := out.with_suffix(ending)).exists() and not ours(beside):
            raise UserError(
                f"{beside}: stands there already, of something else, and would be replaced; move it, or give another "
                "--out"
            )


def refuse_other(out: Path, inputs: str) -> None:
    """Raise UserError if a set of other images has the name that nobody gave: two folders may be called alike."""
    if origin(out).get("inputs", inputs) != inputs:
        raise UserError(f"{out}: a set of other images, which this one would replace; {ANOTHER_NAME}")


def refuse_request(out: Path, wanted: dict[str, Any], replaced: bool) -> None:
    """Raise UserError if what stands beside a set's schedule is of another request: a run that was cut and could not go
    on by another schedule, or, unless it may be `replaced`, a finished set."""
    kept, run = out.with_suffix(".schedule.json"), out.with_suffix(".checkpoint")
    stands = read_json(kept) if kept.exists() else None
    found = stands.get("asked") if isinstance(stands, dict) else None
    if found in (None, wanted):
        return
    what = difference(found, wanted)
    if run.exists():
        raise UserError(
            f"{run}: of a run that was cut, by another request ({what}); that one goes on; or delete it; {ANOTHER_NAME}"
        )
    if out.exists() and not replaced:
        raise UserError(f"{out}: made by another request ({what}), and this one would replace it; {ANOTHER_NAME}")
