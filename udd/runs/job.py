"""One distillation as a job: read what is asked, make it, write it. The methods are in udd.methods."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from udd.data import load, read_manifest
from udd.device import setup
from udd.files import inputs_digest, lock
from udd.runs import progress
from udd.runs.cache import needed
from udd.runs.loop import Run, complete
from udd.runs.request import Task, check_data, checkpoint_path, parser, requested
from udd.slurm import submitted
from udd.synthetic import sets


def make(task: Task, args: argparse.Namespace) -> None:
    """Make a set and write it after its curve, so that a set is never without one."""
    device, begun = setup(args.device, args.threads), time.monotonic()
    path = checkpoint_path(args.checkpoints, task.config, args.manifest)
    with ExitStack() as locks:
        for written in (path, task.out):
            locks.enter_context(lock(written))
        data = load(args.manifest, args.root).to(device)
        inputs, until = inputs_digest([args.manifest]), begun + args.time_limit
        run = Run(task.config, data, path, needed(args.cache, task.config, data, inputs, until), inputs)
        complete(run, task.out, until, args.log_every, args.checkpoint_seconds, args.snapshots)
        progress.write_curve(task.curve, run.columns, run.curve)
        sets.save(task.out, run.finished())
        if submitted():
            run.keep()  # if who submitted this job died, another for the same set may follow it: that ends at once
        else:
            path.unlink(missing_ok=True)
    print(f"{task.out}: {len(data.classes)} classes x {task.config['ipc']} images")


def run(argv: list[str] | None = None) -> None:
    """Make the set that the command line asks for."""
    args = parser().parse_args(argv)
    task = requested(args)
    check_data(task.config, read_manifest(args.manifest), args.manifest)
    make(task, args)
