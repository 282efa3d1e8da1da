"""What is said and put in order at the end of a run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from udd import persistence
from udd.config.plan import Params
from udd.errors import UserError
from udd.workflow.paths import under

REASON = re.compile(
    r"^error: |^Traceback|^[\w.]*(Error|Exception|Expired|Interrupt|BadZipFile)\b|not found$|[Nn]o module named"
    "|^interrupted|same command again|No such file or directory|can't open file|Permission denied"
)
LAST = 10  # lines in which a reason may stand
KILLED = "(it gives no reason: it may have been killed, for memory or for time)"


def succeeded(params: Params, workflow: Any) -> str:
    """What to say at the end: the main table, or those that were asked for instead, and where everything is."""
    results = under(params["results"])
    asked = {str(file) for job in workflow.dag.jobs for file in job.output}
    tables = [path for path in (results(f"tables/{name}.md") for name in params["tables"]) if path in asked]
    main = [path for path in tables if path == results("tables/main.md")]
    places = {
        "tables": "tables",
        "figures": "figures",
        "synthetic images": "synthetic",
        "loss curves": "curves",
        "pages": "pages",
        "logs": "logs",
    }
    lines = [
        f"{name}: {os.path.abspath(results(folder))}" for name, folder in places.items() if filled(results(folder))
    ]
    return "\n".join([*(Path(path).read_text() for path in main or tables), *lines])


def filled(folder: str) -> bool:
    """Whether there is something in a folder."""
    return os.path.isdir(folder) and any(os.scandir(folder))


def set_aside(workflow: Any) -> None:
    """Move the records of evaluations that failed beside their places, where the next run of the job finds their
    networks (udd.evaluation.records).

    Snakemake brings back the record that was there before, forgets of what parameters it was, and
    would take it for finished.
    """
    failed = workflow.scheduler.failed if workflow.scheduler else ()
    for path in (Path(path) for job in failed if job.rule.name == "evaluate" for path in job.output):
        part = path.with_name(f"{path.name}.part")
        if path.exists() and not part.exists():
            path.replace(part)
        path.unlink(missing_ok=True)


def give_back(workflow: Any) -> None:
    """Give the manifests of data sets that could not be read the records that they had (udd.persistence).

    Snakemake brings back the manifest that was there before, and notes down that it was made of what could not be read:
    the data as they were would count as changed, and what is wrong with them as read."""
    failed = workflow.scheduler.failed if workflow.scheduler else ()
    for path in (str(path) for job in failed if job.rule.name == "data" for path in job.output):
        try:
            persistence.give_back(path)
        except (UserError, OSError) as error:
            print(f"{error}; delete {path} before the next run, or it is taken for up to date", file=sys.stderr)


def failed(workflow: Any) -> str:
    """What to say when jobs failed: each one's name, its last words and its log."""
    jobs = sorted(workflow.scheduler.failed, key=lambda job: str(job.output)) if workflow.scheduler else []
    blocks = [
        f"failed: {job.rule.name} {' '.join(job.wildcards)}\n  {last_line(job.log)}\n  log: {' '.join(job.log)}"
        for job in jobs
    ]
    return "\n".join(
        [
            *blocks,
            "What is done is kept: the same command makes what is missing, and distillation goes on from its "
            "checkpoint.",
        ]
    )


def last_line(logs: Iterable[str]) -> str:
    """The last line that a job wrote."""
    lines = [
        line
        for log in logs
        if Path(log).exists()
        for line in Path(log).read_text(errors="replace").splitlines()
        if line.strip()
    ]
    if not lines:
        return "it said nothing; it may have been killed"
    said = any(REASON.search(line) for line in lines[-LAST:])
    return lines[-1] if said else f"{lines[-1]}\n  {KILLED}"
