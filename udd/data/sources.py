"""Which raw files a data set has, and what has become of them since its manifest was made. Imports
neither torch nor numpy.

Asked at every start of the workflow, so it is cheap: a file whose name, size and times are those of the last look is
not read again. Where they differ its SHA-256 decides: copied or touched files are the same data.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from udd.data.listing import ANNOTATIONS, SPLITS, image_files, parquet_files
from udd.errors import UserError
from udd.files import read_json, sha256, write_json

# The official files, as torchvision lays them out. The first pattern that finds one holds: an
# archive goes before its folder.
OFFICIAL = {
    "mnist": ["MNIST/raw/*-ubyte.gz"],
    "fashionmnist": ["FashionMNIST/raw/*-ubyte.gz"],
    "svhn": ["*_32x32.mat"],
    "cifar10": ["cifar-10-python.tar.gz", "cifar-10-batches-py/*"],
    "cifar100": ["cifar-100-python.tar.gz", "cifar-100-python/*"],
}
KNOWN = (*OFFICIAL, "digits")  # kinds whose images and labels are nobody's own
Checksums = dict[str, str]  # a name in the manifest: its SHA-256


def packed_name(config: dict[str, Any]) -> str:
    """Where the packed file lies below the root, without its suffix.

    The name holds a digest of the configuration, so that two projects may share a root and declare a name differently.
    """
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
    return f"packed/{config['name']}-{key}"


def sources(config: dict[str, Any], root: Path) -> dict[str, Path]:
    """The raw files that are there, by the names that a manifest gives them (an archive: its own)."""
    kind, name = config["kind"], config["name"]
    if kind in SPLITS:
        base = root / (config.get("path") or name)
        found = {path.relative_to(base).as_posix(): path for path in image_files(base, kind, config.get("classes"))}
        return found | ({ANNOTATIONS: labels} if (labels := base / ANNOTATIONS).is_file() else {})
    if kind == "parquet":
        base = root / (config.get("path") or name)
        with suppress(UserError):
            return {path.relative_to(base).as_posix(): path for part in parquet_files(base) for path in part}
        return {path.relative_to(base).as_posix(): path for path in base.rglob("*.parquet")}
    if kind == "npz":
        path = root / (config.get("path") or f"{name}.npz")
        return {path.name: path} if path.is_file() else {}
    base = root / (config.get("path") or "")
    found = (sorted(base.glob(pattern)) for pattern in OFFICIAL.get(kind, []))
    return {path.relative_to(base).as_posix(): path for path in next(filter(None, found), []) if path.is_file()}


def checksums(files: dict[str, Path], memory: Path) -> Checksums:
    """The SHA-256 of these raw files; `memory` spares those whose size and times are the same as at the last look."""
    known, seen = remembered(memory), {}
    for name, path in files.items():
        try:
            status = path.stat()
        except OSError:  # a link to nowhere, an annotated image that is not there: `udd data` says which
            seen[name] = [[], {name: "missing"}]
            continue
        times = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        before = known.get(name)
        same = isinstance(before, list) and before[:1] == [times] and len(before) == 2
        seen[name] = before if same else [times, contents(name, path)]
    if seen and seen != known:
        with suppress(UserError, OSError):  # a root that is read-only: then the bytes are read at every start
            write_json(memory, seen)
    return {name: digest for _, files in seen.values() for name, digest in files.items()}


def remembered(memory: Path) -> dict[str, Any]:
    """What the last look saw: of each name, [size and times, checksums]; nothing if that is not to be read."""
    try:
        found = read_json(memory)
    except (UserError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def contents(name: str, path: Path) -> Checksums:
    """What a manifest lists of a raw file: itself, or the members of an archive; of a broken archive, itself."""
    if path.name.endswith(".tar.gz"):
        try:
            return members(path)
        except (tarfile.TarError, OSError, EOFError):
            pass
    return {name: sha256(path)}


def members(archive: Path) -> Checksums:
    """The SHA-256 of every file in an archive."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:  # in the archive's order: going back would decompress it from its start
            if file := tar.extractfile(member):
                found[member.name] = hashlib.sha256(file.read()).hexdigest()
    return found


def pinned_files(config: dict[str, Any], manifest: Path) -> Checksums:
    """The raw files that the manifest of this configuration pins; none if there is no such manifest."""
    if not manifest.exists():
        return {}
    found = read_json(manifest)
    if not isinstance(found, dict) or found.get("config") != config:
        return {}
    return {file["name"]: file["sha256"] for file in found.get("files", [])}


def gone(config: dict[str, Any], root: Path) -> bool:
    """Whether no raw file is there (`digits` comes with scikit-learn)."""
    return config["kind"] != "digits" and not sources(config, root)


def fingerprint(config: dict[str, Any], root: Path, manifest: Path) -> tuple[str, str]:
    """What the raw files are now, as a parameter of the rule that makes `manifest`, and what to
    tell the user, if anything.

    The parameter changes when the data does. Raw files that are not there are those that the manifest pins.
    """
    if config["kind"] == "digits":  # scikit-learn's
        return "", ""
    pinned = pinned_files(config, manifest)
    official = config["kind"] in OFFICIAL
    files = sources(config, root)
    if not files:
        said = f"{config['name']}: no raw files below {root}; its manifest and its packed file stand for them"
        return "" if official else digest(pinned), said if pinned else ""
    if official and not pinned:
        return "", ""
    here = checksums(files, root / f"{packed_name(config)}.times.json")
    if official:  # these have one right content, and the rule may download them: nothing, unless one is another
        here = {name: sha for name, sha in here.items() if name.endswith(".tar.gz") or pinned.get(name, sha) != sha}
        pinned = {name: pinned[name] for name in here.keys() & pinned.keys()}
    return digest(here), changes(config["name"], here, pinned, root) if pinned or official else ""


def digest(files: Checksums) -> str:
    """Sixteen hexadecimal digits for these names and contents; empty for none."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16] if files else ""


def changes(name: str, here: Checksums, pinned: Checksums, root: Path) -> str:
    """What differs from the manifest, in one line; nothing if it is the same."""
    changed = sum(here[file] != pinned[file] for file in here.keys() & pinned.keys())
    counts = {"changed": changed, "new": len(here.keys() - pinned.keys()), "gone": len(pinned.keys() - here.keys())}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return (
        f"{name}: raw files below {root} are not as its manifest pins them ({told}); it has to be made again"
        if told
        else ""
    )
