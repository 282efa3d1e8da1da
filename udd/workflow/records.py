"""Snakemake's records, kept for git; and whether all that dvc.lock lists is here, which dvc.yaml
asks first (`udd check-lock`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from udd import persistence
from udd.command import Parser
from udd.config.plan import Params
from udd.errors import UserError
from udd.files import read_json
from udd.workflow.paths import COLLECTED, collected_requests, under, wanted

CACHED = ".dvc/cache/files/md5"  # of DVC 3, by the digest's first two digits


def records_file(params: Params) -> Path:
    """Where Snakemake's records are kept for git, by the content of the files they are about."""
    return Path(under(params["results"])("snakemake.jsonl"))


def restore_records(workflow: Any, params: Params) -> None:
    """Before anything is planned: give each file here the record of its content. Not in the processes of single
    jobs."""
    if workflow.is_main_process:
        results = under(params["results"])
        collected = {
            results(f"collected/{request}/{name}") for request in collected_requests(params) for name in COLLECTED
        }
        persistence.restore(records_file(params), set(map(results, wanted(params))), collected)


def keep_records(params: Params) -> None:
    """After a run, whatever became of it: note down Snakemake's records, or say in one line why that cannot be."""
    try:
        persistence.keep(records_file(params))
    except (UserError, OSError) as error:
        advice = (
            f"Snakemake's records were not noted down for git; the next run does so, or udd records {params['results']}"
        )
        print(f"{error}: {advice}", file=sys.stderr)


def outs(lock: dict[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """What dvc.lock lists: of the named stages, or of all."""
    return [out for name, stage in lock["stages"].items() if not names or name in names for out in stage["outs"]]


def absent(listed: Iterable[dict[str, Any]]) -> list[str]:
    """The folders that lack files that dvc.lock lists, each with both counts: by their names, where DVC's cache has
    these, else by their number."""
    lines = []
    for out in listed:
        here = {
            path.relative_to(out["path"]).as_posix()
            for path in Path(out["path"]).rglob("*")
            if path.is_file() and path.suffix not in (".lock", ".part")
        }
        names = names_in(out)
        found = len(here) if names is None else len(here & names)
        if found < out.get("nfiles", 0):
            lines.append(f"{out['path']} has {found} of {out['nfiles']} files")
    return lines


def names_in(out: dict[str, Any]) -> set[str] | None:
    """The files of a folder that dvc.lock lists, by DVC's own list of them; None where that is not here."""
    digest = out.get("md5", "")
    here = Path.cwd()
    cached = next((place / CACHED for place in (here, *here.parents) if (place / ".dvc").is_dir()), here / CACHED)
    try:
        return {each["relpath"] for each in read_json(cached / digest[:2] / digest[2:])}
    except (UserError, OSError, TypeError, KeyError):
        return None


def parser() -> Parser:
    """The command line of `udd check-lock`."""
    made = Parser(prog="udd check-lock", description="Ask whether all that dvc.lock lists is here.")
    made.add_argument("stages", nargs="*", metavar="STAGE", help="of these stages; by default of all")
    return made


def run(argv: list[str] | None = None) -> None:
    """Raise UserError if something that dvc.lock lists is not here; say so if nothing was evaluated yet."""
    import yaml

    names = parser().parse_args(argv).stages
    lock = yaml.safe_load(Path("dvc.lock").read_text()) if Path("dvc.lock").exists() else {"stages": {}}
    if lines := absent(listed := outs(lock, names)):
        raise UserError(
            f"dvc.lock: {'; '.join(lines)}: run dvc pull (or dvc checkout) first; if they were deleted on purpose, dvc "
            "commit -f dvc.yaml"
        )
    if not any(out.get("nfiles") for out in listed):
        print(
            "dvc.lock lists no results: nothing is evaluated yet, all of it is computed now (`udd estimate` says what "
            "that costs)",
            flush=True,
        )
