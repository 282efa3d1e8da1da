"""One distillation as a job: read what is asked, take what is finished, make the rest, write it. The method is in udd.distill."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from udd import lockstep, progress, shelf, synthetic
from udd.cli import UserError, setup
from udd.data import load, read_manifest
from udd.distill import finished
from udd.files import lock
from udd.request import Task, check_data, check_pool, checkpoint_path, parser, requested
from udd.running import Run, complete, failure
from udd.slurm import submitted


def make(tasks: list[Task], path: Path, args: argparse.Namespace, device: torch.device) -> list[str]:
    """Make sets in lockstep and write those that succeed, each with its curve. Returns for each why it failed, or an empty text."""
    with ExitStack() as locks:
        for written in (path, *(task.out for task in tasks)):
            locks.enter_context(lock(written))
        run = Run([task.config for task in tasks], load(args.manifest, args.root).to(device), path, args.pool, shelf.inputs_digest([args.manifest]))
        complete(run, [task.out for task in tasks], args)
        failures = [write(run, number, task) for number, task in enumerate(tasks)]
        if submitted() and not any(failures):
            run.keep()  # if who submitted this job died, another for the same set may follow it: that ends at once
        else:
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


def shelved(config: dict[str, Any], args: argparse.Namespace) -> Task:
    """A set as it lies on the shelf."""
    place = shelf.place(args.shelf, config, "udd.distill", shelf.inputs_digest([args.manifest]), ".safetensors")
    return Task(config, place, place.with_suffix(".csv"))


def take(task: Task, args: argparse.Namespace) -> bool:
    """Take a set and its curve from the shelf; the set last, so that it is never without a curve."""
    lying = shelved(task.config, args)
    if lying.out.exists():
        shelf.take(lying.curve, task.curve)
    return shelf.take(lying.out, task.out)


def sound(task: Task, args: argparse.Namespace) -> bool:
    """Whether a set can be made of this data; if not, the note on the shelf says why."""
    try:
        check_data([task.config], read_manifest(args.manifest), args.manifest)
    except UserError as error:
        shelf.fail(task.out, str(error))
        return False
    return True


def make_company(configs: list[dict[str, Any]], args: argparse.Namespace, device: torch.device) -> None:
    """Make sets in lockstep and lay them on the shelf, with a note in the place of those that failed."""
    tasks = [task for task in (shelved(config, args) for config in configs) if sound(task, args)]
    configs = [task.config for task in tasks]
    if not tasks:
        return
    path = lockstep.checkpoint_path(args.shelf / "checkpoints", configs, "udd.distill", shelf.inputs_digest([args.manifest]))
    for task, failed in zip(tasks, make(tasks, path, args, device), strict=True):
        if failed:
            shelf.fail(task.out, failed)
    path.with_suffix(".json").unlink(missing_ok=True)


def run(argv: list[str] | None = None) -> None:
    """Make the sets that the command line asks for."""
    args = parser().parse_args(argv)
    args.begun = time.monotonic()  # a time limit counts from here: waiting for another job's company is part of it
    tasks = requested(args)
    configs = [task.config for task in tasks]
    check_data(configs, read_manifest(args.manifest), args.manifest)
    check_pool(configs, args)
    device = setup(args)
    if args.shelf:
        with ExitStack() as locks:
            for task in tasks:
                locks.enter_context(lock(task.out))
                company = partial(make_company, args=args, device=device)
                lockstep.share(task.config, args.shelf / "distill.json", partial(take, task, args), company)
        return
    folder = args.checkpoints / "pool" if args.pool else args.checkpoints  # a recalled network has no momentum to go on with
    if failed := next(filter(None, make(tasks, checkpoint_path(folder, configs, args.manifest), args, device)), ""):
        raise UserError(failed)
