"""A distillation under way, of any method: step by step, with its log, curves and checkpoints."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import torch

from udd import methods
from udd.data import Dataset
from udd.errors import UserError
from udd.methods import rate
from udd.networks import precision
from udd.networks.streams import stream
from udd.provenance import provenance
from udd.proxies import cached, clusters
from udd.proxies.fresh import class_index, new_network, real_batches, start, train_on
from udd.proxies.meeting import Meeting, Scalars
from udd.runs import checkpoint, memory, progress, sound, taken
from udd.synthetic import sets


def diverged(network: torch.nn.Module) -> bool:
    """Whether the network's own training, on real images, went astray: a weight that is not finite, or far
    beyond what sound ones reach."""
    return any(not (weights.abs() < 1e4).all() for weights in network.parameters())


def mark(made_of: str) -> str:
    """What a checkpoint keeps of the digest of what its run makes."""
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


class Distillation:
    """One set at its start, or where the checkpoint at `path` left it.

    cache: the folder of cached networks, if it meets these; inputs: the digest of the data that it is made of; made_of:
    what the checkpoint must be of, where its name does not say so.
    """

    first = False  # whether the next step is the first of this process, which is looked through

    def __init__(
        self, config: dict[str, Any], data: Dataset, path: Path, cache: Path | None, inputs: str, made_of: str = ""
    ):
        self.config, self.data, self.path, self.inputs, self.begun = config, data, path, inputs, time.monotonic()
        self.made_of = mark(made_of) if made_of else ""
        self.method = methods.module(config["method"])
        sound.check_meets(config["method"], self.method)
        self.cache, self.trains = cache, self.method.MEETS == methods.PROXIES and cache is None
        options, device = config["distill"], data.train_images.device
        precision.warn(options["precision"], device)
        self.generator = stream(device, "images", data.name, config["ipc"], config["seed"])
        self.state = self.method.begin(config, data, self.generator)
        self.shape = (len(data.classes), config["ipc"], *data.train_images.shape[1:])
        sound.check_state(config["method"], "begin", self.state, self.shape)
        self.first = True
        found, said = memory.chunk(config, data)
        # It goes on as it began
        self.trajectory = start(data, options, config["seed"], checkpoint.chunk(path) if path.exists() else found)
        self.mean, self.std = (torch.tensor(values, device=device) for values in (data.mean, data.std))
        self.index, self.options = class_index(data.train_labels, len(data.classes)), options
        self.total, self.before, self.before_peak = options["outer"] * options["inner"], 0.0, 0
        self.broken = torch.zeros(len(data.classes), dtype=torch.int64, device=device)
        self.curve, self.columns = torch.zeros(0, 0, dtype=torch.float64), [""]
        self.chosen = torch.zeros(len(data.classes), 0, dtype=torch.int64, device=device)
        if said:
            print(said, file=sys.stderr)
        self.image_lr = 0.0  # the rate, where it is to be found
        if path.exists():
            self.go_on()
        elif "image_move" in options:
            self.image_lr = self.moving()
        self.clock = progress.Clock(self.done, self.total)

    def go_on(self) -> None:
        """Take up what the checkpoint kept."""
        kept = checkpoint.restore(self.path, self.trajectory, self.kept(), self.made_of)
        self.state, self.broken, self.chosen, self.image_lr = kept.state, kept.broken, kept.chosen, kept.image_lr
        self.curve, self.columns, self.before, self.before_peak = kept.curve, kept.columns, kept.seconds, kept.peak
        print(
            f"goes on from {self.path}: network {self.trajectory.outer}, step {self.trajectory.inner}", file=sys.stderr
        )

    def kept(self) -> checkpoint.Kept:
        """What a checkpoint keeps beside the networks."""
        told = (self.columns, self.seconds, self.chosen, self.peak, self.image_lr)
        return checkpoint.Kept(self.state, self.generator, self.broken, self.curve, *told)

    @property
    def done(self) -> int:
        """Iterations that are done."""
        return self.trajectory.outer * self.options["inner"] + self.trajectory.inner

    @property
    def seconds(self) -> float:
        """Seconds spent, those before the checkpoint included."""
        return self.before + time.monotonic() - self.begun

    @property
    def peak(self) -> int:
        """The most bytes that this process, or one before the checkpoint, had resident."""
        return max(self.before_peak, taken.peak())

    @property
    def stepped(self) -> dict[str, Any]:
        """The configuration by which steps are taken: with the rate that was found."""
        return (
            self.config
            if "image_lr" in self.options
            else self.config | {"distill": self.options | {"image_lr": self.image_lr}}
        )

    def moving(self) -> float:
        """The rate by which the pixels move from here as the configuration says."""
        before, still = self.generator.get_state(), self.stepped  # at rate 0

        def gradient(look: int) -> torch.Tensor:
            met = self.meeting(False, "rate", self.data.name, self.config["seed"], look)
            return self.method.step(self.state, met, still)[0].velocity

        found = rate.by_move(self.config, gradient)
        self.generator.set_state(before)  # it goes on as with a given rate
        print(
            f"image_lr {found}: the pixels move by {self.options['image_move']:.3g} a step at the start",
            file=sys.stderr,
        )
        return found

    def meeting(self, logged: bool, *which: str | int) -> Meeting:
        """What the next step meets; which: the stream that chooses the cached network, by
        default that of the next step."""
        at, target, experts = self.trajectory, None, self.method.MEETS == methods.EXPERTS
        # For all IPC and policies: paired
        random = stream("cpu", *(which or ("met", self.data.name, self.config["seed"], at.outer, at.inner)))
        if self.cache and not experts:
            real = self.data.train_images[:0]
            draws, target = cached.meet(self.cache, self.options, at.network, random)
        else:
            real, draws = real_batches(at, self.data, self.index, self.options)  # line 5
            real = self.representative() if clusters.clustered(self.options) else real
        own, where = (self.mean, self.std, self.generator), (at.training, at.execution, at.outer, at.inner, logged)
        anew = target is not None or at.inner == 0
        met = Meeting(at.network, real, draws, *own, *where, anew=anew, target=target)
        if self.cache and experts:
            expert, share = cached.expert(self.cache, self.options, at.network, random)
            return met._replace(expert=expert, share=share)
        return met

    def representative(self) -> torch.Tensor:
        """The real batch of every class that is chosen by clusters, by the network as it now is, or as it was
        when they were last due."""
        at, seed = self.trajectory, self.config["seed"]
        if clusters.due(self.options, at.outer, at.inner):
            random = stream(
                self.mean.device, "clusters", self.data.name, self.options["network"], seed, at.outer, at.inner
            )
            self.chosen = clusters.chosen(at.network, self.data, self.index, self.options, random)
        return self.data.train_images[self.chosen]

    def advance(self, logged: bool) -> Scalars:
        """One iteration: a new network where it is time for one, a step of the method, and the
        network's training on real data."""
        at = self.trajectory
        if at.inner == 0 and self.trains:
            new_network(at, self.data, self.options)
        met = self.meeting(logged)
        given = self.method.step(self.state, met, self.stepped)
        if self.first:
            sound.check_step(self.config["method"], given, self.shape)
            self.first = False
        self.state, scalars = given
        self.watch(scalars)
        if self.trains:
            train_on(at, self.data, self.options)
        at.inner += 1
        if at.inner == self.options["inner"]:
            self.state = self.method.end_network(self.state, met, self.stepped)
            at.outer, at.inner = at.outer + 1, 0
        return scalars

    def watch(self, scalars: Scalars) -> None:
        """Note the iteration and the classes whose numbers, or pixels, are not finite; nothing waits for a device
        here."""
        finite = self.state.images.flatten(1).isfinite().all(1)
        for value in scalars.values():
            finite = finite & value.isfinite()
        self.broken = torch.where((self.broken == 0) & ~finite, self.done + 1, self.broken)

    def step(self, logged: bool) -> str:
        """One iteration; where it is logged, its row joins the curve, and its line is returned."""
        outer = self.trajectory.outer
        scalars = self.advance(logged)
        return self.log(scalars, outer) if logged else ""

    def log(self, scalars: Scalars, outer: int) -> str:
        """Add a row to the curve, and say it."""
        row = progress.curve_row(scalars, self.done, outer, self.clock.rate(self.done), self.seconds)
        self.columns = progress.columns(scalars)
        self.curve = torch.cat([self.curve, row.unsqueeze(0)]) if len(self.curve) else row.unsqueeze(0)
        return progress.log_line(self.config["variant"], self.columns, row, self.total, self.clock.to_go(self.done))

    def check_finite(self) -> None:
        """Raise UserError if the loss is not finite any more: at which iteration and class it first
        was not, and what is left."""
        found = [(iteration, label) for label, iteration in enumerate(self.broken.tolist()) if iteration]
        if found:
            iteration, label = min(found)  # the first: with CFC the other classes follow
            kept = f"the last good checkpoint is {self.path}" if self.path.exists() else "there is no checkpoint yet"
            where = (
                f"{self.config['variant']}: the loss is not finite at iteration {iteration}, class "
                f"{self.data.classes[label]}"
            )
            advice = (
                "lower net_lr"
                if diverged(self.trajectory.network)
                else f"lower {'image_move' if 'image_move' in self.options else 'image_lr'}"
            )
            raise UserError(f"{where}; {kept}; {advice} and run again")

    def keep(self) -> None:
        """Write a checkpoint, unless there is nothing good to keep."""
        self.check_finite()
        checkpoint.save(self.path, self.trajectory, self.kept(), self.made_of)

    def origin(self) -> dict[str, Any]:
        """The provenance of this run's set: the rate that was found, if one was, and where memory was short the
        training images that went at once."""
        chunk = self.trajectory.execution.chunk
        found = provenance(methods.name(self.config["method"]), self.data.train_images.device) | {"inputs": self.inputs}
        found |= {"image_lr": self.image_lr} if self.image_lr else {}
        return found if chunk is None else found | {"chunk": chunk}

    def finished(self, outer: int | None = None) -> sets.SyntheticSet:
        """The set as it is stored; after `outer` networks it is that of a schedule that ends there, unless the rate
        falls at fractions of the schedule: then it says of how long a one it is a snapshot. Raises UserError if it is
        none that networks can be trained on."""
        config = self.config
        if outer is not None:
            whole = {"snapshot_of": self.options["outer"]} if self.options["image_lr_decay_at"] else {}
            config = config | {"distill": self.options | {"outer": outer} | whole}
        made = self.method.finish(self.state, self.data, config, self.origin())
        sound.check_finished(config["method"], made)
        return made

    def snapshot(self, out: Path) -> None:
        """Write the set and its curve as they are between two networks, as OUT-outerN.*. Raises UserError if they are
        no numbers any more."""
        self.check_finite()
        outer = self.trajectory.outer
        named = out.with_name(f"{out.stem}-outer{outer}.safetensors")
        progress.write_curve(named.with_suffix(".csv"), self.columns, self.curve)
        sets.save(named, self.finished(outer))
