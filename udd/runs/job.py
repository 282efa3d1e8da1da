"""One distillation as a job: read what is asked, make it, write it. The method is in udd.methods.udd."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

import torch

from udd.data import load, read_manifest
from udd.device import setup
from udd.errors import UserError
from udd.files import inputs_digest, lock
from udd.methods.udd import finished
from udd.runs import progress
from udd.runs.loop import Run, complete, failure
from udd.runs.request import Task, check_data, check_pool, checkpoint_path, parser, requested
from udd.synthetic import sets as synthetic


def make(tasks: list[Task], path: Path, args: argparse.Namespace, device: torch.device) -> list[str]:
    """Make sets in lockstep and write those that succeed, each with its curve. Returns for each why it failed, or an empty text."""
    with ExitStack() as locks:
        for written in (path, *(task.out for task in tasks)):
            locks.enter_context(lock(written))
        run = Run([task.config for task in tasks], load(args.manifest, args.root).to(device), path, args.pool, inputs_digest([args.manifest]))
        complete(run, [task.out for task in tasks], args.begun + args.time_limit, args.log_every, args.checkpoint_seconds, args.snapshots)
        failures = [write(run, number, task) for number, task in enumerate(tasks)]
        path.unlink(missing_ok=True)
        return failures


def write(run: Run, number: int, task: Task) -> str:
    """Write a finished set after its curve, so that a set is never without one. Returns why it failed, or an empty text."""
    made, data = run.sets[number], run.data
    if failed := failure(made, data):
        return str(run.stopped_by(failed))
    progress.write_curve(task.curve, run.curves[number])
    synthetic.save(task.out, finished(made, data, made.options["outer"], run.origin()))
    print(f"{task.out}: {len(data.classes)} classes x {made.config['ipc']} images")
    return ""


def run(argv: list[str] | None = None) -> None:
    """Make the sets that the command line asks for."""
    args = parser().parse_args(argv)
    args.begun = time.monotonic()  # a time limit counts from here
    tasks = requested(args)
    configs = [task.config for task in tasks]
    check_data(configs, read_manifest(args.manifest), args.manifest)
    check_pool(configs, args)
    device = setup(args.device, args.threads)
    folder = args.checkpoints / "pool" if args.pool else args.checkpoints  # a recalled network has no momentum to go on with
    if failed := next(filter(None, make(tasks, checkpoint_path(folder, configs, args.manifest), args, device)), ""):
        raise UserError(failed)
