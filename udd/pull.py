"""`udd pull`: bring what dvc.lock lists and is not here. Unlike `dvc pull` it stands back for what jobs made: it
deletes and replaces nothing.

`dvc pull` makes a folder exactly what its dvc.lock lists; where a job has left a file there that DVC does not
know, it pulls nothing at all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from udd.command import Parser
from udd.errors import UserError
from udd.files import atomic_path, sha256


def listed(lock: Path, store: Path) -> Iterator[tuple[Path, Path]]:
    """(file, its content in DVC's cache) of all that a dvc.lock lists."""
    import yaml

    for out in (out for stage in yaml.safe_load(lock.read_text())["stages"].values() for out in stage["outs"]):
        for entry in json.loads(stored(store, out["md5"]).read_text()):
            yield Path(os.path.normpath(lock.parent / out["path"] / entry["relpath"])), stored(store, entry["md5"])


def stored(store: Path, md5: str) -> Path:
    """Where DVC's cache has a content."""
    return store / md5[:2] / md5[2:]


def folders(lock: Path) -> list[Path]:
    """The folders of results that a dvc.lock lists, empty ones among them, which DVC asks for as well."""
    import yaml

    stages = yaml.safe_load(lock.read_text())["stages"].values()
    return [Path(os.path.normpath(lock.parent / out["path"])) for stage in stages for out in stage["outs"]]


def fill(lock: Path, store: Path) -> tuple[int, list[Path]]:
    """Copy what is absent: how many files that was, and those that are here with another content, which stay."""
    added, kept = 0, []
    for folder in folders(lock):
        folder.mkdir(parents=True, exist_ok=True)
    for path, content in listed(lock, store):
        if path.exists():
            kept += [path] if sha256(path) != sha256(content) else []
            continue
        with atomic_path(path) as temporary:
            shutil.copyfile(content, temporary)
        added += 1
    return added, kept


def fetch() -> Path:
    """Bring all that is listed into DVC's cache: where that has contents. Raises UserError where it fails."""
    try:
        subprocess.run(["dvc", "fetch"], check=True)
        place = subprocess.run(["dvc", "cache", "dir"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        return Path(place, "files", "md5")
    except FileNotFoundError:
        raise UserError(
            "dvc: no such program; pip install -e '.[dev]' (or activate the environment) and run again"
        ) from None
    except subprocess.CalledProcessError as error:
        raise UserError(
            f"dvc fetch: exit status {error.returncode}, nothing was changed here; what it says above must be mended "
            "first"
        ) from None


def parser() -> Parser:
    """The command line of `udd pull`."""
    about = "Bring what dvc.lock lists and is not here; what jobs made since stays, where `dvc pull` would refuse."
    return Parser(prog="udd pull", description=about)


def run(argv: list[str] | None = None) -> None:
    """Fill all folders of results from their dvc.lock, and say what was done."""
    parser().parse_args(argv)
    if not Path(".dvc").is_dir():
        raise UserError(
            ".dvc: no such folder here; run in the root of a clone of the repository (a .zip of it has none of git's "
            "files)"
        )
    store = fetch()
    for lock in sorted(Path().glob("**/dvc.lock")):
        added, kept = fill(lock, store)
        print(f"{lock}: {added} files added")
        for path in kept:
            print(f"  kept as it is here, not as listed: {path}")
