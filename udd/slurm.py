"""Under Slurm, a job that was cut goes back to the queue by itself, under its own number: who
submitted it sees it wait, not fail.

So a run may be cut as often as it advances, and what counts as a failure (`retries` of the profile) is a job that made
no progress. Only jobs that the workflow submitted one by one do so (UDD_REQUEUE, udd.workflow): an allocation in which
other things run is not ours to queue.
"""

from __future__ import annotations

import os
import subprocess


def scontrol(*words: str) -> str | None:
    """What scontrol answers; None if it refuses, or is not there."""
    try:
        done = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def submitted() -> bool:
    """Whether this is a job that the workflow submitted."""
    return bool(os.environ.get("SLURM_JOB_ID") and os.environ.get("UDD_REQUEUE"))


def queue_again() -> bool:
    """Put this job back into the queue, unless it is being cancelled. Whether it was; Slurm then ends its processes."""
    number = os.environ["SLURM_JOB_ID"] if submitted() else ""
    if not number or " JobState=RUNNING " not in (scontrol("show", "job", "-o", number) or ""):
        return False
    return scontrol("requeue", number) is not None
