"""One distillation as a job: read what is asked, make it, write it. The methods are in udd.methods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import torch

from udd.config.caches import meets_cache, networks
from udd.data import load, read_manifest
from udd.device import setup
from udd.files import inputs_digest, lock, sha256
from udd.runs import progress, taken
from udd.runs.cache import needed
from udd.runs.cache_files import discard_others
from udd.runs.completing import complete
from udd.runs.loop import Distillation
from udd.runs.task import Task, check_data, checkpoint_path, parser, requested
from udd.slurm import submitted
from udd.synthetic import sets


def make(
    task: Task, device: torch.device, until: float, log_every: int, checkpoint_seconds: float, snapshots: Sequence[int]
) -> None:
    """Make a set and write it after its curve, so that a set is never without one. The other arguments are those
    of udd.runs.completing.complete."""
    path = checkpoint_path(task.checkpoints, task.config, task.manifest)
    with ExitStack() as locks:
        for written in (path, task.out):
            locks.enter_context(lock(written))
        data, inputs = load(task.manifest, task.root).to(device), inputs_digest([task.manifest])
        if meets_cache(task.config):
            discard_others(task.cache, task.config, range(networks(task.config)), task.manifest, inputs)
        run = Distillation(task.config, data, path, needed(task.cache, task.config, data, inputs, until), inputs)
        complete(run, task.out, until, log_every, checkpoint_seconds, snapshots)
        progress.write_curve(task.curve, run.columns, run.curve)
        taken.note(task.curve, run.seconds, run.peak, device, of=sha256(task.curve))
        sets.save(task.out, run.finished())
        if submitted():
            run.keep()  # if who submitted this job died, another for the same set may follow it: that ends at once
        else:
            path.unlink(missing_ok=True)
    print(f"{task.out}: {len(data.classes)} classes x {task.config['ipc']} images")


def run(argv: list[str] | None = None) -> None:
    """Make the set that the command line asks for."""
    args, begun = parser().parse_args(argv), time.monotonic()
    task = requested(vars(args))
    check_data(task.config, read_manifest(task.manifest), task.manifest)
    device = setup(args.device, args.threads)
    make(task, device, begun + args.time_limit, args.log_every, args.checkpoint_seconds, args.snapshots)
