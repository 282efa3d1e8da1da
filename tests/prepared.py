"""A data set prepared as the command does, and loaded."""

from __future__ import annotations

import json
from pathlib import Path

from udd import data


def manifest_of(tmp_path: Path, config: dict, root: Path | None = None) -> Path:
    """Prepare a data set as the command does."""
    path = tmp_path / "manifest.json"
    data.run(["--config", json.dumps(config), "--root", str(root or tmp_path), "--out", str(path)])
    return path


def loaded(tmp_path: Path, config: dict) -> data.Dataset:
    """The data set, prepared and loaded again."""
    return data.load(manifest_of(tmp_path, config), tmp_path)
