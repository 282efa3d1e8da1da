"""The pool of networks (`networks: pool`): each trained once a data set and seed, and kept for every distillation that meets them.

python -m udd.proxies.pool --params params.yaml --dataset cifar10 --variant udd --seed 0 --member 3 --manifest M --root DIR --out POOL/network3.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch import Tensor

from udd.cli import UserError, add_common, main, setup
from udd.config.plan import add_config, networks_config, set_config_of
from udd.data import Dataset, load, read_manifest
from udd.files import lock
from udd.proxies import fresh as trajectory
from udd.proxies import pooled
from udd.runs.provenance import provenance
from udd.runs.request import check_data


def trained(data: Dataset, distill: dict[str, Any], seed: int, member: int) -> list[dict[str, Tensor]]:
    """The weights of a pool's network after 0, 1, ..., `inner` inner steps."""
    made = trajectory.start(data, distill, seed)
    made.outer = member
    trajectory.new_network(made, data, distill)
    states = [copied(made)]
    for _ in range(distill["inner"]):
        trajectory.train_on(made, data, distill)
        states.append(copied(made))
    return states


def copied(made: trajectory.Trajectory) -> dict[str, Tensor]:
    """The network's weights as they are now."""
    return {name: weight.detach().clone() for name, weight in made.network.named_parameters()}


def run(argv: list[str] | None = None) -> None:
    """Train one network of a pool and write its weights."""
    parser = argparse.ArgumentParser(
        prog="python -m udd.proxies.pool", description="Train one network of a pool and keep its weights after each inner step."
    )
    add_config(parser)
    parser.add_argument("--manifest", type=Path, required=True, help="the data set's manifest, as written by udd.data")
    parser.add_argument("--root", required=True, help="where raw data lies")
    parser.add_argument("--member", type=int, required=True, help="the network's number, from 0")
    parser.add_argument("--out", type=Path, required=True, help="the file to write (safetensors)")
    add_common(parser)
    args = parser.parse_args(argv)
    config = set_config_of(args)
    if not isinstance(config, dict) or "distill" not in config:
        raise UserError("--config, --variant: found no section `distill`; expected the configuration of one set that is distilled")
    distill = config["distill"]
    check_data([config | {"ipc": 1}], read_manifest(args.manifest), args.manifest)
    if distill["networks"] != "pool" or not 0 <= args.member < distill["pool"]:
        raise UserError(f"--member {args.member}: expected `networks: pool` and a number below {distill['pool']}; found `{distill['networks']}`")
    device = setup(args)
    with lock(args.out):
        data = load(args.manifest, args.root).to(device)
        states = trained(data, distill, config["seed"], args.member)
        made = provenance("udd.proxies.pool", device)
        pooled.save(args.out, states, networks_config(config) | {"member": args.member, "provenance": made})


if __name__ == "__main__":
    main(run)
