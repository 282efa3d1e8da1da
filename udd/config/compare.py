"""Whether a configuration that a file carries is the planned one, and where it is not."""

from __future__ import annotations

from typing import Any


def difference(found: Any, planned: Any, key: str = "") -> str:
    """The first place at which two configurations differ, in words; empty if they do not."""
    if isinstance(found, dict) and isinstance(planned, dict):
        names = sorted(found.keys() | planned.keys())
        parts = (difference(found.get(name), planned.get(name), f"{key}.{name}" if key else name) for name in names)
        return next((part for part in parts if part), "")
    return "" if found == planned else f"{key or 'it'} is {found!r}, planned {planned!r}"
