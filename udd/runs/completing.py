"""A distillation from where it is to its end: its checkpoints in time, and the stop where a signal or the time asks for
one."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from udd.errors import Stopped
from udd.runs import progress
from udd.runs.alarm import Alarm
from udd.runs.loop import Distillation

CURVE_ROWS = 250  # about as many rows a curve has, whatever the schedule


def complete(
    run: Distillation,
    out: Path | None = None,
    until: float = math.inf,
    log_every: int = 0,
    checkpoint_seconds: float = 180,
    snapshots: Sequence[int] = (),
) -> None:
    """Run the method to its end. Raises Stopped when it has to end early (a signal, or time.monotonic() reaches
    `until`), at a checkpoint."""
    every, saved, first = log_every or max(1, run.total // CURVE_ROWS), time.monotonic(), run.done
    with Alarm(until) as alarm, progress.bar(run.total, run.done) as bar:
        while run.done < run.total:
            said = run.step((run.done + 1) % every == 0 or run.done + 1 == run.total)
            if said:
                run.check_finite()
            if out and run.trajectory.inner == 0 and run.trajectory.outer in snapshots:
                run.snapshot(out)
            # A signal counts at the last step too, after which a caller would go on; time that has run out does not
            if (reason := alarm.reason()) and (alarm.asked or run.done < run.total):
                run.keep()
                said = (
                    f"stopped by {reason} after {run.done} of {run.total} iterations; run the same command again to go "
                    f"on from {run.path}"
                )
                raise Stopped(said, advanced=run.done > first)
            if time.monotonic() - saved >= checkpoint_seconds:
                run.keep()
                saved = time.monotonic()
            bar.update()
            if said:  # last: a signal may have ended who listens, and the checkpoint comes first
                bar.write(said, file=sys.stderr)
    run.check_finite()
