"""Raw data from wherever it lies: a folder, an npz, or a data set by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from udd.data.listing import has_parquet
from udd.data.packing import READERS
from udd.data.raw import Raw, check
from udd.errors import UserError

PATHS = ("folder", "parquet", "npz")  # kinds that are told by their path


def read(source: str | Path, root: Path, name: str | None = None, **keys: Any) -> tuple[Raw, str]:
    """What a source holds, and its name (by default the path's stem, or what it is called): a folder of class folders or of parquet files, an .npz,
    or a kind's name, which lies below `root` or is downloaded there. `keys` are a data set's of params.yaml.

    Raises UserError for a source that is none of these, and for whatever is missing or inconsistent in it.
    """
    path = Path(source)
    if path.is_dir() or path.suffix == ".npz":
        kind = ("parquet" if has_parquet(path) else "folder") if path.is_dir() else "npz"
        config = {"name": name or path.stem, "kind": kind, "path": path.name} | keys
        raw = READERS[kind](config, path.resolve().parent, 0)
    elif str(source) in READERS:
        config = {"name": name or str(source), "kind": str(source)} | keys
        raw = READERS[str(source)](config, root, 0)
    else:
        known = ", ".join(kind for kind in READERS if kind not in PATHS)
        raise UserError(f"{source}: no such folder or .npz file, and no data set's name; expected one of {known}, or a path")
    check(raw)
    return raw, config["name"]
