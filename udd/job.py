"""One distillation as a job: read, resume, log, checkpoint, stop in time, write. The method is in udd.distill."""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from udd import checkpoint, policies, pooled, progress, synthetic
from udd.cli import Stopped, UserError, add_common, setup
from udd.compare import difference
from udd.data import Dataset, read_manifest
from udd.data import load as load_data
from udd.distill import Distilled, advance, begin, finished
from udd.files import lock
from udd.params import load as load_params
from udd.plan import add_config, canonical, data_root, named_cell, read_config, set_config
from udd.provenance import code_digest, provenance
from udd.trajectory import Trajectory, class_index, shared_part, start

CURVE_ROWS = 250  # about as many rows a curve has, whatever the schedule


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m udd.distill`."""
    made = argparse.ArgumentParser(prog="python -m udd.distill", description="Distil a data set (Algorithm 1); goes on from its last checkpoint.")
    add_config(made)
    made.add_argument("--manifest", help="the data set's manifest; results/data/DATASET.json by default")
    made.add_argument("--root", help="where raw data lies; by default UDD_DATA, else data_root of params.yaml")
    made.add_argument("--out", nargs="+", help="the synthetic set; its place below results/synthetic by default")
    made.add_argument("--curve", nargs="+", help="loss curve (CSV); its place below results/curves by default")
    made.add_argument("--checkpoints", help="folder of checkpoints; the set's place below results/checkpoints by default")
    made.add_argument("--pool", help="folder of a pool's networks, made by python -m udd.pool; without it they are trained here")
    made.add_argument("--checkpoint-seconds", type=float, default=180, help="time between checkpoints; 0: after every step")
    made.add_argument("--time-limit", type=float, default=float("inf"), help="seconds after which the run ends at a checkpoint, with exit code 75")
    made.add_argument("--snapshots", type=int, nargs="+", default=[], help="also write the sets after so many networks, as OUT-outerN.safetensors")
    made.add_argument("--log-every", type=int, default=0, help="iterations between log lines; by default about 250 lines a run")
    add_common(made)
    return made


def requested(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The configurations of the sets to make; fills in the paths that were not given. Raises UserError if they do not fit together."""
    config = read_config(args)
    if config is None:
        params = load_params(args.params)
        cell = named_cell(params, args)
        config = set_config(params, cell, args.seed)
        place = f"{cell.folder}/seed{args.seed}"
        args.manifest = args.manifest or f"{params['results']}/data/{cell.dataset}.json"
        args.root = args.root or data_root(params)
        args.out = args.out or [f"{params['results']}/synthetic/{place}.safetensors"]
        args.curve = args.curve or [f"{params['results']}/curves/{place}.csv"]
        args.checkpoints = args.checkpoints or f"{params['results']}/checkpoints/{cell.folder}"
    configs = config if isinstance(config, list) else [config]
    for name in ("manifest", "root", "out"):
        if not getattr(args, name):
            raise UserError(f"--{name}: missing; it is needed beside --config")
    args.curve = args.curve or [str(Path(out).with_suffix(".csv")) for out in args.out]
    args.checkpoints = args.checkpoints or str(Path(args.out[0]).parent)
    check(configs, args)
    return configs


def check(configs: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Raise UserError if the sets cannot be made together, or are not for distillation."""
    if not len(configs) == len(args.out) == len(args.curve):
        raise UserError(f"--out, --curve: found {len(args.out)} and {len(args.curve)} paths for {len(configs)} configurations; give one each")
    for config in configs:
        missing = {"dataset", "ipc", "variant", "seed", "method"} - config.keys()
        if missing:
            raise UserError(f"--config: found no {', '.join(sorted(missing))}; expected a set's configuration, as python -m udd.plan prints it")
        if config["method"] != "distill":
            raise UserError(f"variant {config['variant']}: its method is {config['method']}, not distill; use python -m udd.coresets")
        if (config["dataset"], config["seed"]) != (configs[0]["dataset"], configs[0]["seed"]):
            raise UserError("--config: sets in lockstep need the same data set and seed; run them apart")
        if shared_part(config["distill"]) != shared_part(configs[0]["distill"]):
            raise UserError("--config: sets in lockstep need the same networks' schedule (net_*, cutmix_*, outer, inner, ...); run them apart")


def check_data(configs: list[dict[str, Any]], manifest: dict[str, Any], path: str) -> None:
    """Raise UserError if the manifest is of another data set, or a class has fewer images than IPC."""
    if manifest["config"] != configs[0]["dataset"]:
        raise UserError(
            f"{path}: a manifest of {canonical(manifest['config'])}, expected {canonical(configs[0]['dataset'])}; run python -m udd.data again"
        )
    smallest = min(manifest["counts"]["train"])
    for config in configs:
        if config["ipc"] > smallest:
            raise UserError(f"ipc {config['ipc']}: the smallest class of {config['dataset']['name']} has {smallest} training images; lower ipc")


def check_pool(configs: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Raise UserError if a network of the pool is missing, or was trained for another configuration."""
    distill = configs[0]["distill"]
    if not args.pool:
        return
    if distill["networks"] != "pool":
        raise UserError(f"--pool {args.pool}: the configuration says `networks: {distill['networks']}`, expected `pool`; leave --pool out")
    planned = {"shared": shared_part(distill), "dataset": configs[0]["dataset"], "seed": configs[0]["seed"]}
    for member in range(min(distill["pool"], distill["outer"])):
        path = pooled.member_path(args.pool, member)
        found = pooled.metadata(path)
        if differing := difference({key: found.get(key) for key in planned}, planned):
            raise UserError(f"{path}: trained for another configuration: {differing}; make it again with python -m udd.pool")


def checkpoint_path(folder: str, configs: list[dict[str, Any]]) -> Path:
    """The checkpoint's file: its name holds the configuration's and the code's digest, so that no run takes another's."""
    digest = hashlib.sha256((canonical(configs) + code_digest("udd.distill")).encode()).hexdigest()[:12]
    return Path(folder) / f"seed{configs[0]['seed']}-{digest}.safetensors"


class Alarm:
    """Whether the run was asked to end: by SIGTERM, SIGINT, or its time limit."""

    def __init__(self, limit: float):
        self.until, self.asked = time.monotonic() + limit, ""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.ask)

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


def check_finite(sets: list[Distilled], data: Dataset, path: Path) -> None:
    """Raise UserError at a loss that is not finite, naming iteration, class and the last good checkpoint."""
    for made in sets:
        found = [(iteration, label) for label, iteration in enumerate(made.broken.tolist()) if iteration]
        if found:
            iteration, label = min(found)  # the first: with CFC the other classes follow
            kept = f"the last good checkpoint is {path}" if path.exists() else "there is no checkpoint yet"
            where = f"iteration {iteration}, class {data.classes[label]}"
            raise UserError(f"{made.config['variant']}: the loss is not finite at {where}; {kept}; lower image_lr and run again")


def snapshot(trajectory: Trajectory, sets: list[Distilled], data: Dataset, args: argparse.Namespace) -> None:
    """Write the sets as they are between two networks: those of a schedule that ends here."""
    origin = provenance("udd.distill", data.train_images.device)
    for made, out in zip(sets, args.out, strict=True):
        named = Path(out).with_name(f"{Path(out).stem}-outer{trajectory.outer}.safetensors")
        synthetic.save(named, finished(made, data, trajectory.outer, origin))


def distil(configs: list[dict[str, Any]], data: Dataset, path: Path, args: argparse.Namespace) -> tuple[list[Distilled], list[Tensor]]:
    """Run Algorithm 1 from the start or from the checkpoint at `path` to the end. Raises Stopped when it has to end early."""
    alarm, begun = Alarm(args.time_limit), time.monotonic()
    trajectory, sets = start(data, configs[0]["distill"], configs[0]["seed"]), [begin(config, data) for config in configs]
    trajectory.pool = Path(args.pool) if args.pool else None
    curves, before = [torch.zeros(0, len(progress.COLUMNS), dtype=torch.float64) for _ in sets], 0.0
    if path.exists():
        curves, before = checkpoint.restore(path, trajectory, sets)
        print(f"goes on from {path}: network {trajectory.outer}, step {trajectory.inner}", file=sys.stderr)
    options, index = sets[0].options, class_index(data.train_labels, len(data.classes))
    total, saved = options["outer"] * options["inner"], time.monotonic()
    every = args.log_every or max(1, total // CURVE_ROWS)

    def done() -> int:
        return trajectory.outer * options["inner"] + trajectory.inner

    def keep() -> None:
        check_finite(sets, data, path)
        checkpoint.save(path, trajectory, sets, curves, before + time.monotonic() - begun)

    pace = progress.Pace(done(), total, images_a_step(sets, len(data.classes)))
    with progress.bar(total, done()) as bar:
        while done() < total:
            logged = (done() + 1) % every == 0 or done() + 1 == total
            found, outer = advance(trajectory, sets, data, index, logged), trajectory.outer
            bar.update()
            if logged:
                check_finite(sets, data, path)
                seconds = before + time.monotonic() - begun
                rows = [progress.curve_row(made, got, done(), outer, pace.rate(done()), seconds) for made, got in zip(sets, found, strict=True)]
                curves = [torch.cat([curve, row.unsqueeze(0)]) for curve, row in zip(curves, rows, strict=True)]
                bar.write(
                    "\n".join(progress.log_line(made, row, total, pace.to_go(done())) for made, row in zip(sets, rows, strict=True)), file=sys.stderr
                )
            if trajectory.inner == 0 and trajectory.outer in args.snapshots:
                snapshot(trajectory, sets, data, args)
            if (reason := alarm.reason()) and done() < total:
                keep()
                raise Stopped(f"stopped by {reason} after {done()} of {total} iterations; run the same command again to go on from {path}")
            if time.monotonic() - saved >= args.checkpoint_seconds:
                keep()
                saved = time.monotonic()
    check_finite(sets, data, path)
    return sets, curves


def run(argv: list[str] | None = None) -> None:
    """Make the sets that the command line asks for."""
    args = parser().parse_args(argv)
    configs = requested(args)
    check_data(configs, read_manifest(args.manifest), args.manifest)
    check_pool(configs, args)
    path = checkpoint_path(args.checkpoints, configs)
    device = setup(args)
    with ExitStack() as locks:
        for written in (path, *args.out):
            locks.enter_context(lock(written))
        data = load_data(args.manifest, args.root).to(device)
        sets, curves = distil(configs, data, path, args)
        origin = provenance("udd.distill", device)
        for made, curve, out, csv in zip(sets, curves, args.out, args.curve, strict=True):
            progress.write_curve(csv, curve)
            synthetic.save(out, finished(made, data, made.options["outer"], origin))
            print(f"{out}: {len(data.classes)} classes x {made.config['ipc']} images")
        path.unlink(missing_ok=True)
