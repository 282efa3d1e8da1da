"""Evaluations as a job: read what is asked, take the record if it is finished, else make it, with those of other networks on the same set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from udd.cli import UserError, add_common, setup
from udd.config import plan
from udd.config.params import load as load_params
from udd.data import Dataset, load
from udd.evaluation.accuracy import Config, record, records
from udd.files import lock, write_json
from udd.networks.architectures import ARCHITECTURES
from udd.runs import lockstep, shelf


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m udd.evaluation.accuracy`."""
    about = "Train a fresh network on a set and record its accuracy on the real test images."
    made = argparse.ArgumentParser(prog="python -m udd.evaluation.accuracy", description=about)
    plan.add_config(made)
    made.add_argument("--architecture", default="convnet3", choices=ARCHITECTURES)
    made.add_argument("--protocol", default=plan.DEFAULT_PROTOCOL, help="a name under `protocols` in params.yaml")
    made.add_argument("--network-seed", type=int, default=0)
    made.add_argument("--manifest", type=Path, required=True, help="the data set's manifest, as written by udd.data")
    made.add_argument("--root", type=Path, required=True, help="where raw data lies")
    made.add_argument("--set", type=Path, help="the set to train on (safetensors); none for the variant `full`")
    made.add_argument("--out", type=Path, required=True, help="the record to write (JSON)")
    made.add_argument("--shelf", type=Path, help="folder where the record may lie, or its company be planned (udd.runs.lockstep)")
    add_common(made)
    return made


def config_of(args: argparse.Namespace) -> Config:
    """The evaluation's configuration: --config, or params.yaml's for the named cell, protocol and network."""
    config = plan.read_config(args)
    if config is not None:
        missing = {"set", "architecture", "protocol", "network", "evaluate"} - config.keys()
        if missing:
            raise UserError(f"--config: found no {', '.join(sorted(missing))}; expected an evaluation's configuration")
        return config
    params = load_params(args.params)
    if args.protocol not in params["protocols"]:
        raise UserError(f"--protocol {args.protocol}: not in params.yaml; expected one of {', '.join(params['protocols'])}")
    cell = plan.named_cell(params, args)
    return plan.evaluation_config(params, plan.Record(cell, args.seed, args.protocol, args.architecture, args.network_seed))


def shelved(config: Config, args: argparse.Namespace) -> Path:
    """Where a record lies on the shelf."""
    return shelf.place(args.shelf, config, "udd.evaluation.accuracy", shelf.inputs_digest([args.manifest, args.set]), ".json")


def at_once(configs: list[Config], device: torch.device) -> list[list[Config]]:
    """The configurations to evaluate at once: on a GPU those that differ in the network alone; on a CPU one by one, where more are no faster."""
    if device.type == "cpu":
        return [[config] for config in configs]
    groups: dict[str, list[Config]] = {}
    for config in configs:
        groups.setdefault(plan.canonical(config | {"network": None}), []).append(config)
    return list(groups.values())


def make_company(configs: list[Config], args: argparse.Namespace, device: torch.device) -> None:
    """Evaluate several networks on the set and lay the records on the shelf; the data are read once."""
    dataset = load(args.manifest, args.root).to(device)
    wanted = [config for config in configs if not shelved(config, args).exists()]  # some may be left by a run that was cut
    for group in at_once(wanted, device):
        for config, found in zip(group, attempted(group, dataset, args.set, device), strict=True):
            lay(shelved(config, args), found)


def attempted(configs: list[Config], dataset: Dataset, path: Path | None, device: torch.device) -> Sequence[Config | UserError]:
    """The records, or for each the error in its place. Where the device has no memory for all at once, in halves."""
    try:
        return records(configs, dataset, path, device)
    except UserError as error:
        return [error] * len(configs)
    except torch.OutOfMemoryError:
        if len(configs) == 1:
            raise
    torch.cuda.empty_cache()  # not in the handler, where the error still holds on to tensors
    half = len(configs) // 2
    return [found for part in (configs[:half], configs[half:]) for found in attempted(part, dataset, path, device)]


def lay(lying: Path, found: Config | UserError) -> None:
    """Lay a record on the shelf, or a note of why there is none."""
    if isinstance(found, UserError):
        shelf.fail(lying, str(found))
    else:
        write_json(lying, found)


def run(argv: list[str] | None = None) -> None:
    """Evaluate one set on one network and write the record."""
    args = parser().parse_args(argv)
    device, config = setup(args), config_of(args)
    with lock(args.out):
        if args.shelf:
            take = partial(shelf.take, shelved(config, args), args.out)
            lockstep.share(config, args.shelf / "evaluate.json", take, partial(make_company, args=args, device=device))
        else:
            write_json(args.out, record(config, load(args.manifest, args.root).to(device), args.set, device))
