"""Evaluations as a job: one record file a set, protocol and architecture, with a result for each network; those
that are there are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from udd.command import Parser, add_common, whole
from udd.config import plan
from udd.config.asked import Asked, add_config, asked, named_cell, read_config
from udd.config.params import load as load_params
from udd.data import Dataset, load
from udd.device import setup
from udd.errors import UsageError, UserError
from udd.evaluation import TRAINING, code
from udd.evaluation.accuracy import Config, Rounding, TrainingSet, evaluate, trained, training_set
from udd.evaluation.by_class import by_class, watched
from udd.evaluation.rates import rated
from udd.files import inputs_digest, lock, read_json, write_json
from udd.networks import precision
from udd.networks.architectures import ARCHITECTURES, Network
from udd.networks.precision import PRECISIONS
from udd.provenance import provenance
from udd.synthetic.sets import load as load_set

FORMAT = 2


def parser() -> Parser:
    """The command line of `udd evaluate`."""
    about = "Train fresh networks on a set and record their accuracy on the real test images."
    made = Parser(prog="udd evaluate", description=about)
    add_config(made)
    made.add_argument("--architecture", default="convnet3", choices=ARCHITECTURES)
    made.add_argument("--protocol", default=plan.DEFAULT_PROTOCOL, help="a name under `protocols` in params.yaml")
    made.add_argument(
        "--networks", type=whole, nargs="+", help="seeds of the networks; 0 alone by default, or what --config says"
    )
    made.add_argument("--manifest", type=Path, required=True, help="the data set's manifest, as written by udd.data")
    made.add_argument("--root", type=Path, required=True, help="where raw data lies")
    made.add_argument("--set", type=Path, help="the set to train on (safetensors); none for the variant `full`")
    made.add_argument(
        "--out", type=Path, required=True, help="the record to write (JSON); networks that it holds already are kept"
    )
    made.add_argument("--json", action="store_true", help="print the record")
    add_common(made)
    return made


def config_of(wanted: Asked, protocol: str, architecture: str, networks: list[int] | None) -> tuple[Config, list[int]]:
    """The record's configuration, and its networks: --config, or params.yaml's for the named cell and protocol."""
    config = read_config(wanted.config, "architecture", "evaluate", "protocol", "set")
    if config is not None:
        return {key: value for key, value in config.items() if key != "networks"}, networks or config.get(
            "networks", [0]
        )
    params = load_params(wanted.params)
    if protocol not in params["protocols"]:
        raise UsageError(f"--protocol {protocol}: not in params.yaml; expected one of {', '.join(params['protocols'])}")
    cell = named_cell(params, wanted)
    return plan.evaluation_config(params, plan.Record(cell, wanted.seed, protocol, architecture)), networks or [0]


def kept(path: Path, config: Config, inputs: str) -> dict[str, Config]:
    """The results by network that a record has of this configuration, code and inputs; none if it
    is of others, or not there."""
    if not path.exists():
        return {}
    try:
        found = read_json(path)
    except UserError:
        return {}
    parts = ("networks", "provenance")
    if not isinstance(found, dict) or not all(isinstance(found.get(part), dict) for part in parts):
        return {}
    networks, origin = (found[part] for part in parts)
    if not all(isinstance(each, dict) for each in networks.values()):
        return {}
    made = (found.get("format"), found.get("config"), found.get("inputs"), origin.get("code"))
    if made != (FORMAT, config, inputs, code(config)):
        return {}
    return {name: here(origin) | each for name, each in networks.items()}


def here(origin: Config) -> Config:
    """What a network's result says of where it was measured, as others of its record may have been elsewhere."""
    return {name: origin[name] for name in ("device", "git") if name in origin}


def record(
    config: Config,
    networks: list[int],
    dataset: Dataset,
    path: Path | None,
    device: torch.device,
    found: dict[str, Any],
    keep: Callable[[Config], None],
) -> Config:
    """The record of a set (at `path`; None: all real images) with a result for each
    network: those `found`, and new ones.

    `keep(record)` is called whenever it has grown, so that a job that is cut loses one network. Raises UserError if a
    network fails, after the others.
    """
    precision.warn(config["evaluate"]["precision"], device)
    examples, account = training_set(config, dataset, path)
    recipe = rated(config["evaluate"], load_set(path).metadata if path else {}, path or "the full data set")
    account |= {"rate": recipe["lr"]} if recipe.get("rate") == "own" else {}
    origin = provenance(TRAINING, device) | {"code": code(config)}
    made = (
        {"format": FORMAT, "config": config, "provenance": origin}
        | account
        | trained(config, examples, len(dataset.classes))
    )
    made["networks"] = dict(found)
    failures = []
    for network in (each for each in dict.fromkeys(networks) if str(each) not in found):
        try:
            made["networks"][str(network)] = here(origin) | result(
                config | {"evaluate": recipe, "network": network}, dataset, examples, device
            )
        except UserError as error:
            failures.append(error)
        keep(made)
    if failures:
        raise failures[0]
    return made


def result(config: Config, dataset: Dataset, examples: TrainingSet, device: torch.device) -> Config:
    """What a network comes to, on all test images and on those of each class, in %."""
    seen: list[Network] = []
    found = evaluate(config, dataset, watched(examples, seen), device)
    return found | {"by_class": by_class(Rounding(seen[0], PRECISIONS[config["evaluate"]["precision"]]), dataset)}


def run(argv: list[str] | None = None) -> None:
    """Evaluate one set on the networks asked for and write the record, which is whole: what a job that was cut
    has done lies beside it."""
    args = parser().parse_args(argv)
    device = setup(args.device, args.threads)
    config, networks = config_of(asked(vars(args)), args.protocol, args.architecture, args.networks)
    if args.set and not args.set.exists():
        raise UserError(f"{args.set}: no such set; make it with snakemake or pull it with dvc pull")
    # Snakemake removes the output of a job that failed, or brings back the one before
    part = args.out.with_name(f"{args.out.name}.part")
    with lock(args.out):
        inputs = inputs_digest([args.manifest, args.set])

        def keep(made: Config) -> None:
            write_json(part, made | {"inputs": inputs})

        before = kept(args.out, config, inputs)
        if not before:
            # What is there is of something else, and must not pass for the result if this job fails
            args.out.unlink(missing_ok=True)
        found = before | kept(part, config, inputs)
        made = record(config, networks, load(args.manifest, args.root).to(device), args.set, device, found, keep) | {
            "inputs": inputs
        }
        write_json(part, made)
        os.replace(part, args.out)
    print(json.dumps(made) if args.json else args.out)
