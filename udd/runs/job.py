"""One distillation as a job: read what is asked, make it, write it. The methods are in udd.methods."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from udd.data import load, read_manifest
from udd.device import setup
from udd.errors import UserError
from udd.files import inputs_digest, lock
from udd.methods import module
from udd.provenance import code_digest
from udd.runs import progress
from udd.runs.loop import Run, complete
from udd.runs.request import Task, check_data, check_pool, checkpoint_path, parser, requested
from udd.synthetic import sets


def make(task: Task, args: argparse.Namespace) -> None:
    """Make a set and write it after its curve, so that a set is never without one."""
    device, begun = setup(args.device, args.threads), time.monotonic()
    folder = args.checkpoints / "pool" if args.pool else args.checkpoints  # a recalled network has no momentum to go on with
    path = checkpoint_path(folder, task.config, args.manifest)
    with ExitStack() as locks:
        for written in (path, task.out):
            locks.enter_context(lock(written))
        data = load(args.manifest, args.root).to(device)
        run = Run(task.config, data, path, args.pool, inputs_digest([args.manifest]))
        complete(run, task.out, begun + args.time_limit, args.log_every, args.checkpoint_seconds, args.snapshots)
        progress.write_curve(task.curve, run.columns, run.curve)
        sets.save(task.out, run.finished())
        path.unlink(missing_ok=True)
    print(f"{task.out}: {len(data.classes)} classes x {task.config['ipc']} images")


def made_before(task: Task, manifest: Path) -> bool:
    """Whether the set is there already, of this configuration, code and data: by a job whose submitter died, say. It then counts as new."""
    if not (task.out.exists() and task.curve.exists()):
        return False
    try:
        found = sets.load(task.out).metadata
    except UserError:
        return False
    made = {"code": code_digest(module(task.config["method"])), "inputs": inputs_digest([manifest])}
    if found["config"] != task.config or any(found["provenance"].get(name) != value for name, value in made.items()):
        return False
    for path in (task.curve, task.out):
        os.utime(path)
    print(f"{task.out}: made already, of the same configuration, code and data", file=sys.stderr)
    return True


def run(argv: list[str] | None = None) -> None:
    """Make the set that the command line asks for, unless it is there."""
    args = parser().parse_args(argv)
    task = requested(args)
    check_data(task.config, read_manifest(args.manifest), args.manifest)
    check_pool(task.config, args)
    if not args.snapshots and made_before(task, args.manifest):
        return
    make(task, args)
