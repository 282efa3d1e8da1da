"""What an estimate measured or counted once, kept below the user's cache folder (XDG_CACHE_HOME/udd): its absence
only costs the time again."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from udd.config.plan import canonical
from udd.errors import UserError
from udd.files import read_json, write_json


def kept_at(kind: str, name: str, *depends: Any) -> Path:
    """The file of a finding of some kind: a folder a kind, a name to read, a digest of all that it depends on."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "udd", kind)
    return folder / f"{name}-{hashlib.sha256(canonical(depends).encode()).hexdigest()[:16]}.json"


def kept(path: Path) -> dict[str, Any]:
    """What was found before; empty if nothing was, or what lies there cannot be read."""
    try:
        found = read_json(path)
    except (UserError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(path: Path, found: dict[str, Any]) -> None:
    """Keep a finding for later calls; one that cannot be kept serves this call all the same."""
    try:
        write_json(path, found)
    except (UserError, OSError) as error:
        warn(path.parent, type(error).__name__)


@cache
def warn(folder: Path, reason: str) -> None:
    """Say, once a folder and reason, that findings are not kept."""
    print(f"{folder}: what an estimate finds is not kept there: {reason}", file=sys.stderr)
