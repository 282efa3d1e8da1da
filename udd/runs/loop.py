"""A distillation under way: Algorithm 1 step by step, with its log, curves and checkpoints, until it is done or has to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from udd.data import Dataset
from udd.errors import Stopped, UserError
from udd.methods import policies
from udd.methods.udd import Distilled, advance, begin, finished
from udd.objectives.matching import Matched
from udd.provenance import provenance
from udd.proxies.fresh import class_index, start
from udd.runs import checkpoint, memory, progress
from udd.synthetic import sets as synthetic

CURVE_ROWS = 250  # about as many rows a curve has, whatever the schedule


class Alarm:
    """Whether the run was asked to end: by SIGTERM, SIGINT, or its time limit. Listens while its block runs."""

    def __init__(self, until: float):
        self.until, self.asked = until, ""

    def __enter__(self) -> Alarm:
        self.before = {number: signal.signal(number, self.ask) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def ask(self, number: int, _frame: Any) -> None:
        """Remember a signal; the loop ends after the step at hand."""
        self.asked = signal.Signals(number).name

    def reason(self) -> str:
        """Why to end now, or an empty text."""
        return self.asked or ("time limit" if time.monotonic() >= self.until else "")


def pairs_a_class(made: Distilled) -> int:
    """How many (image, window) pairs make S_c^train of one class."""
    chosen = policies.lowest(torch.arange(len(made.among.boxes)), made.options)
    return min(made.images.shape[1] * (len(chosen) + made.among.whole), made.options["max_pairs"])


def images_a_step(sets: list[Distilled], classes: int) -> int:
    """Images that go through the network in one inner step, the searches apart: real ones, those of S^train, those that train the network."""
    options = sets[0].options
    return classes * (options["batch_real"] + sum(pairs_a_class(made) for made in sets)) + options["net_images"]


def failure(made: Distilled, data: Dataset) -> str:
    """At which iteration and class a set's loss was first not finite; empty if it is."""
    found = [(iteration, label) for label, iteration in enumerate(made.broken.tolist()) if iteration]
    if not found:
        return ""
    iteration, label = min(found)  # the first: with CFC the other classes follow
    return f"{made.config['variant']}: the loss is not finite at iteration {iteration}, class {data.classes[label]}"


def diverged(network: torch.nn.Module) -> bool:
    """Whether the network's own training, on real images, went astray: a weight that is not finite, or far beyond what sound ones reach."""
    return any(not (weights.abs() < 1e4).all() for weights in network.parameters())


class Run:
    """Sets in lockstep, at the start or where the checkpoint at `path` left them; `inputs` is the digest of what they are made of."""

    def __init__(self, configs: list[dict[str, Any]], data: Dataset, path: Path, pool: Path | None, inputs: str):
        self.data, self.path, self.inputs, self.begun, self.before = data, path, inputs, time.monotonic(), 0.0
        self.sets = [begin(config, data) for config in configs]
        chunk, said = memory.chunk(self.sets, data)
        chunk = checkpoint.chunk(path) if path.exists() else chunk  # it goes on as it began: so do its bits
        self.trajectory = start(data, configs[0]["distill"], configs[0]["seed"], chunk)
        self.trajectory.pool = pool
        self.curves = [torch.zeros(0, len(progress.COLUMNS), dtype=torch.float64) for _ in configs]
        self.index, self.options = class_index(data.train_labels, len(data.classes)), configs[0]["distill"]
        self.total = self.options["outer"] * self.options["inner"]
        if said:
            print(said, file=sys.stderr)
        if path.exists():
            self.curves, self.before = checkpoint.restore(path, self.trajectory, self.sets)
            print(f"goes on from {path}: network {self.trajectory.outer}, step {self.trajectory.inner}", file=sys.stderr)
        self.pace = progress.Pace(self.done, self.total, images_a_step(self.sets, len(data.classes)))

    @property
    def done(self) -> int:
        """Iterations that are done."""
        return self.trajectory.outer * self.options["inner"] + self.trajectory.inner

    @property
    def seconds(self) -> float:
        """Seconds spent, those before the checkpoint included."""
        return self.before + time.monotonic() - self.begun

    def step(self, logged: bool) -> str:
        """One iteration; where it is logged, its rows join the curves, and its lines are returned."""
        outer = self.trajectory.outer
        found = advance(self.trajectory, self.sets, self.data, self.index, logged)
        return self.log(found, outer) if logged else ""

    def log(self, found: list[Matched], outer: int) -> str:
        """Add a row to each curve, and say it."""
        rate, to_go, pairs = self.pace.rate(self.done), self.pace.to_go(self.done), list(zip(self.sets, found, strict=True))
        rows = [progress.curve_row(made, got, self.done, outer, rate, self.seconds) for made, got in pairs]
        self.curves = [torch.cat([curve, row.unsqueeze(0)]) for curve, row in zip(self.curves, rows, strict=True)]
        return "\n".join(progress.log_line(made, row, self.total, to_go) for made, row in zip(self.sets, rows, strict=True))

    def check_finite(self) -> None:
        """Raise UserError if no set has a finite loss any more; of several in lockstep the others go on."""
        failures = [failure(made, self.data) for made in self.sets]
        if all(failures):
            raise self.stopped_by(failures[0])

    def stopped_by(self, failure: str) -> UserError:
        """The error that says what failed, and what is left. Sets in lockstep share a checkpoint, which goes on with those that are sound."""
        kept = f"the last good checkpoint is {self.path}" if self.path.exists() else "there is no checkpoint yet"
        kept = "no checkpoint is kept of it, as others in lockstep went on" if len(self.sets) > 1 else kept
        return UserError(f"{failure}; {kept}; lower {'net_lr' if diverged(self.trajectory.network) else 'image_lr'} and run again")

    def keep(self) -> None:
        """Write a checkpoint, unless there is nothing good to keep."""
        self.check_finite()
        checkpoint.save(self.path, self.trajectory, self.sets, self.curves, self.seconds)

    def origin(self) -> dict[str, Any]:
        """The provenance of this run's sets; where memory was short, with the number of training images that went at once."""
        chunk = self.trajectory.engine.chunk
        found = provenance("udd.methods.udd", self.data.train_images.device) | {"inputs": self.inputs}
        return found if chunk is None else found | {"chunk": chunk}

    def snapshot(self, outs: list[Path]) -> None:
        """Write the sets as they are between two networks, those of a schedule that ends here, and their curves, as OUT-outerN.*."""
        origin, outer = self.origin(), self.trajectory.outer
        for made, curve, out in zip(self.sets, self.curves, outs, strict=True):
            named = out.with_name(f"{out.stem}-outer{outer}.safetensors")
            progress.write_curve(named.with_suffix(".csv"), curve)
            synthetic.save(named, finished(made, self.data, outer, origin))


def complete(run: Run, outs: list[Path], args: argparse.Namespace) -> None:
    """Run Algorithm 1 to its end. Raises Stopped when it has to end early, at a checkpoint."""
    every, saved = args.log_every or max(1, run.total // CURVE_ROWS), time.monotonic()
    with Alarm(args.begun + args.time_limit) as alarm, progress.bar(run.total, run.done) as bar:
        while run.done < run.total:
            said = run.step((run.done + 1) % every == 0 or run.done + 1 == run.total)
            if said:
                run.check_finite()
            if run.trajectory.inner == 0 and run.trajectory.outer in args.snapshots:
                run.snapshot(outs)
            if (reason := alarm.reason()) and run.done < run.total:
                run.keep()
                raise Stopped(f"stopped by {reason} after {run.done} of {run.total} iterations; run the same command again to go on from {run.path}")
            if time.monotonic() - saved >= args.checkpoint_seconds:
                run.keep()
                saved = time.monotonic()
            bar.update()
            if said:  # last: a signal may have ended who listens, and the checkpoint comes first
                bar.write(said, file=sys.stderr)
