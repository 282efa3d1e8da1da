"""Snakemake's records (with what each file was made), kept by the content of the file: `snakemake.jsonl` in the
results, which git keeps.

Snakemake itself files them below `.snakemake` by the file's name alone. But git and DVC put other contents in the same
places, and so does a hand; the record in force must be that of the content that is here. All paths are relative to the
working directory, as Snakemake's are. `udd records results` writes the file for results made before there was one.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from udd.command import Parser
from udd.errors import UserError
from udd.files import sha256, write_atomic

Record = dict[str, Any]
METADATA = Path(".snakemake", "metadata")
# Every content seen here and its record, so that going back in history finds it
MEMORY = Path(".snakemake", "known.json")
MADE_OF = ("rule", "input", "params", "code", "software_stack_hash", "input_checksums")
TOLD = ("job_hash", "conda_env", "container_img_url", "log", "starttime", "endtime")  # by `snakemake --report`
FIELDS = (*MADE_OF, *TOLD, "record_format_version")
ABSENT = ""  # the digest of what was not here when its record was noted down
BY_HAND = {"record_format_version": 6, "params": ["not written by this workflow"]}  # fits no job, so the job runs


def place(path: str) -> Path:
    """Where Snakemake's record of a file is: its path in base 64, cut into folders where a name would be too long."""
    name, most = base64.urlsafe_b64encode(path.encode()).decode(), os.pathconf(".", "PC_NAME_MAX") - 1
    parts = [name[start : start + most] for start in range(0, len(name), most)]
    return METADATA.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def present(path: str) -> Record | None:
    """Snakemake's record of a file, without what neither decides nor is told (the shell's command line)."""
    try:
        found = json.loads(place(path).read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # absent, or being written
        return None
    return {field: found[field] for field in FIELDS if field in found}


def all_present() -> dict[str, Record]:
    """Snakemake's records of all files."""
    found = (path for path in METADATA.rglob("*") if path.is_file() and not path.name.startswith("."))  # a cut write's
    places = (path.relative_to(METADATA) for path in found)
    paths = (
        base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in found.parts)).decode() for found in places
    )
    return {path: found for path in sorted(paths) if (found := present(path))}


def put(path: str, record: Record) -> None:
    """Make `record` the one that Snakemake finds for a file."""
    write_atomic(place(path), json.dumps(record | {"incomplete": False}))


def alike(one: Record | None, other: Record) -> bool:
    """Whether two records say that a file was made of the same."""
    return one is not None and all(one.get(field) == other.get(field) for field in MADE_OF)


def read_lines(file: Path) -> dict[str, tuple[str, Record]]:
    """(SHA-256, record) of each file that `snakemake.jsonl` lists; nothing if there is no such file. Raises
    UserError if it is damaged."""
    if not file.exists():
        return {}
    try:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return {line["path"]: (line["sha256"], line["record"]) for line in lines}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: not a record a line ({error}); take git's again: git checkout {file}") from None


def read_memory() -> dict[str, Any]:
    """`records`: path -> SHA-256 -> record; `digests`: path -> size, time, SHA-256, so that nothing is read twice."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        found = json.loads(MEMORY.read_text())
        if isinstance(found, dict) and all(isinstance(found.get(part), dict) for part in ("records", "digests")):
            return found
    return {"records": {}, "digests": {}}


def content(path: str, digests: dict[str, list[Any]]) -> str | None:
    """The SHA-256 of a file, None if it is not here; from `digests` while size and time are the same."""
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if digests.get(path, [])[:2] != [stat.st_size, stat.st_mtime_ns]:
        digests[path] = [stat.st_size, stat.st_mtime_ns, sha256(path)]
    return digests[path][2]


def just_written(path: str, now: Record | None, noted: Collection[Record]) -> bool:
    """Whether a job wrote the file as it lies here, and no run has noted it down yet: one that goes on beside
    this, or one that was killed.

    Snakemake's record has the time stamp of the file that it is about, so what git or DVC put there since has another.
    (Where a run was killed and the edit that it ran with was taken back, the record of that edit stays, and the job
    runs again: the file alone does not tell.)"""
    if now is None or any(alike(now, each) for each in noted):
        return False
    with suppress(FileNotFoundError):  # that run may be making it again
        return now.get("endtime") == os.stat(path).st_mtime
    return False


def in_force(
    here: str | None, now: Record | None, fresh: bool, versions: dict[str, Record], listed: Record | None, report: bool
) -> Record | None:
    """The record of the content that is here (a SHA-256); None where Snakemake's own stays."""
    if here is None:
        return listed  # Snakemake asks of what is not here, too, whether it would be made of the same
    if fresh or here in versions:
        return None if fresh else versions[here]
    ours = now is None or any(alike(now, version) for version in versions.values())
    return BY_HAND if report and ours else None


def restore(file: Path, reports: Collection[str], passing: Collection[str]) -> None:
    """Give each file the record of its content. A report (quickly made again) that no run wrote
    gets one that fits no job.

    What passes (reports that neither git nor DVC keep) goes where it is of another revision than git's records.
    """
    memory, lines = read_memory(), read_lines(file)
    known = memory["records"]
    noted = {path: list(versions.values()) for path, versions in known.items()}
    for path, (digest, record) in lines.items():
        known.setdefault(path, {})[digest] = record
    for path in sorted({*known, *reports, *passing}):
        versions, listed = known.get(path, {}), lines[path][1] if path in lines else None
        here, now = content(path, memory["digests"]), present(path)
        fresh = just_written(path, now, noted.get(path, []))
        if not fresh and path in passing and here in versions and listed and not alike(listed, versions[here]):
            os.unlink(path)
            here = None
        right = in_force(here, now, fresh, versions, listed, path in (*reports, *passing))
        if right and not alike(now, right):
            put(path, right)
    if known:
        write_atomic(MEMORY, json.dumps(memory))


def give_back(path: str) -> None:
    """Give a file, if it is here, the record and the time with which this content was last made, where that is known;
    where it is not, a record that fits no job."""
    memory = read_memory()
    if here := content(path, memory["digests"]):
        record = memory["records"].get(path, {}).get(here)
        put(path, record or BY_HAND)
        if record and "endtime" in record:
            os.utime(path, (record["endtime"], record["endtime"]))


def keep(file: Path) -> None:
    """Note down the record of each file that is here. A line stays as it is where the file was made of the same
    again."""
    memory, lines = read_memory(), read_lines(file)
    for path, record in all_present().items():
        here, (known, old) = content(path, memory["digests"]), lines.get(path, (ABSENT, {}))
        digest = here or known
        if record.get("params") == BY_HAND["params"]:
            continue
        memory["records"].setdefault(path, {})[digest] = record
        if (digest, True) != (known, alike(old, record)):
            lines[path] = (digest, record)
    text = [
        json.dumps({"path": path, "sha256": digest, "record": record}, sort_keys=True)
        for path, (digest, record) in sorted(lines.items())
    ]
    if lines:
        write_atomic(file, "\n".join(text) + "\n")
    write_atomic(MEMORY, json.dumps(memory))


def parser() -> Parser:
    """The command line of `udd records`."""
    made = Parser(
        prog="udd records", description="Note down Snakemake's records of the results in this folder, for git."
    )
    made.add_argument("results", type=Path, help="folder of results, seen from where snakemake ran")
    return made


def run(argv: list[str] | None = None) -> None:
    """Write `snakemake.jsonl` into the results that the command line names."""
    folder = parser().parse_args(argv).results
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; expected the one that params.yaml calls `results`, seen from where snakemake "
            "ran"
        )
    keep(folder / "snakemake.jsonl")
