"""One network of a pool as a job: trained, and kept for every distillation that meets it."""

from __future__ import annotations

import argparse
from pathlib import Path

from udd.command import add_common
from udd.config.plan import add_config, networks_config, set_config_of
from udd.data import load, read_manifest
from udd.device import setup
from udd.errors import UserError
from udd.files import lock
from udd.provenance import provenance
from udd.proxies import pooled
from udd.proxies.pool import trained
from udd.runs.request import check_data


def run(argv: list[str] | None = None) -> None:
    """Train one network of a pool and write its weights."""
    parser = argparse.ArgumentParser(prog="udd pool", description="Train one network of a pool and keep its weights after each inner step.")
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
    check_data(config | {"ipc": 1}, read_manifest(args.manifest), args.manifest)
    if distill["networks"] != "pool" or not 0 <= args.member < distill["pool"]:
        raise UserError(f"--member {args.member}: expected `networks: pool` and a number below {distill['pool']}; found `{distill['networks']}`")
    device = setup(args.device, args.threads)
    with lock(args.out):
        data = load(args.manifest, args.root).to(device)
        states = trained(data, distill, config["seed"], args.member)
        made = provenance("udd.proxies.pool", device)
        pooled.save(args.out, states, networks_config(config) | {"member": args.member, "provenance": made})
