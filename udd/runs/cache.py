"""Caches of networks (`networks: cached`) as jobs: each network trained and looked at, and kept for every
distillation that meets it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from udd.command import Parser, add_common, whole
from udd.config import files as paths
from udd.config.asked import add_config, asked, named_cell, read_config
from udd.config.caches import cache_config, cache_name, meets_cache, networks
from udd.config.params import load as load_params
from udd.config.plan import set_config
from udd.data import Dataset, load, read_manifest
from udd.device import setup
from udd.errors import Stopped, UserError
from udd.files import inputs_digest, try_lock, write_json
from udd.networks import precision
from udd.provenance import code_digest
from udd.proxies import cached
from udd.runs import taken
from udd.runs.alarm import Alarm
from udd.runs.cache_files import MODULE, absent, check_disk, discard_others, size
from udd.runs.growth import Growth
from udd.runs.progress import duration
from udd.runs.task import check_data

Config = dict[str, Any]
MB, GB = 1e6, 1e9
SECONDS, WAIT = 180, 2.0  # between two checkpoints; between two looks at what others make


def grow(path: Path, config: Config, data: Dataset, member: int, inputs: str, until: float = math.inf) -> None:
    """Make one network's file. Raises Stopped when it has to end early (a signal, or time.monotonic() reaches
    `until`), at a checkpoint."""
    growth = Growth(path, config, data, member, inputs)
    ages, first, begun, saved = config["distill"]["cache_ages"], len(growth.seen), time.monotonic(), time.monotonic()
    with Alarm(until) as alarm:
        while not growth.done:
            growth.advance()
            done, now = len(growth.seen), time.monotonic()
            if (reason := alarm.reason()) and not growth.done:
                growth.keep()
                said = (
                    f"stopped by {reason} after {done} of {ages} ages; run the same command again to go on from "
                    f"{growth.part}"
                )
                raise Stopped(said, advanced=True)
            if now - saved >= SECONDS and not growth.done:
                growth.keep()
                saved = now
            if done % max(1, ages // 10) == 0:
                left = duration((ages - done) * (now - begun) / (done - first))
                print(f"network {member}: age {done} of {ages} | {left} to go", file=sys.stderr)
        growth.write(path, {})
        taken.note(path, growth.seconds, taken.peak(), data.train_images.device)
        growth.part.unlink(missing_ok=True)
        if alarm.asked:  # during the last age; the network is whole
            raise Stopped(f"stopped by {alarm.asked} after {path}; run the same command again to go on", advanced=True)


def fill(
    folder: Path, config: Config, data: Dataset, members: Iterable[int], inputs: str, until: float = math.inf
) -> None:
    """Make those of the numbered networks that are absent, beside other processes that do the same: each takes
    one that nobody is at, and waits for the last. Raises UserError as `absent`, or if the disk has no room for
    them; Stopped as `grow`."""
    members = list(members)
    precision.warn(config["distill"]["precision"], data.train_images.device)
    each = size(config, data)
    if count := len(absent(folder, config, members, inputs)):
        check_disk(folder, each, count)
        print(f"{folder}: {count} networks to be made, {each * count / GB:.2f} GB", file=sys.stderr)
    while missing := absent(folder, config, members, inputs):
        taken = [made_here(folder, config, data, member, inputs, each, until) for member in missing]
        if not any(taken):
            wait(folder, until)


def wait(folder: Path, until: float) -> None:
    """Wait a while for what another process makes. Raises Stopped at a signal, or at `until`."""
    with Alarm(until) as alarm:
        time.sleep(WAIT)
        if alarm.reason():
            raise Stopped(
                f"{folder}: another run is making its last networks; run the same command again", advanced=False
            )


def made_here(folder: Path, config: Config, data: Dataset, member: int, inputs: str, each: int, until: float) -> bool:
    """Make one network, unless another process is at it; whether that was done, or had been done meanwhile."""
    path = cached.member_path(folder, member)
    with try_lock(path) as free:
        if free and absent(folder, config, [member], inputs):
            print(f"{path}: {each / MB:,.1f} MB", file=sys.stderr)
            grow(path, config, data, member, inputs, until)
        return free


def needed(folder: Path | None, config: Config, data: Dataset, inputs: str, until: float = math.inf) -> Path | None:
    """The folder of the cached networks that a set meets, all of them there; None if it meets none. Raises
    UserError and Stopped as `fill`."""
    if not meets_cache(config):
        return None
    if folder is None:
        raise UserError(
            "--cache: missing; a set with `networks: cached` needs a folder for these; it may be empty, or that of udd "
            "cache"
        )
    fill(folder, config, data, range(networks(config)), inputs, until)
    return folder


def parser() -> Parser:
    """The command line of `udd cache`."""
    about = (
        "Train the networks that sets meet with `networks: cached`, and keep their weights and real gradients; goes on "
        "from its checkpoint."
    )
    made = Parser(prog="udd cache", description=about)
    add_config(made)
    made.add_argument("--manifest", type=Path, help="the data set's manifest; results/data/DATASET.json by default")
    made.add_argument(
        "--root", type=Path, help="where raw data lies; by default UDD_DATA, else data_root of params.yaml"
    )
    made.add_argument(
        "--member", type=whole, help="the number of one network, from 0; without it all that are not there yet"
    )
    made.add_argument("--out", type=Path, help="the folder of the cache; its place below results/cache by default")
    made.add_argument(
        "--record", type=Path, help="a small file that says what was made (JSON), which stays when the cache is deleted"
    )
    made.add_argument(
        "--time-limit",
        type=float,
        default=math.inf,
        help="seconds after which a run ends at a checkpoint, with exit code 75",
    )
    add_common(made)
    return made


def requested(options: dict[str, Any]) -> tuple[Config, paths.Files]:
    """The configuration of a set that meets the cache, and the files; those that the options leave out are
    where params.yaml puts them.

    Raises UserError if there is none."""
    wanted = asked(options)
    config, files = read_config(wanted.config, "dataset"), options
    if config is None:
        params = load_params(wanted.params)
        cell = named_cell(params, wanted)
        config = set_config(params, cell, wanted.seed)
        out = {"out": f"cache/{cache_name(config)}"} if "distill" in config else {}
        files = options | paths.filled(options, params, manifest=f"data/{cell.dataset}.json", **out)
    found = paths.need(files, "manifest", "root", "out")
    if "cache_ages" not in config.get("distill", {}) or ("method" in config and not meets_cache(config)):
        raise UserError(
            "--config, --variant: expected the configuration of a set with `networks: cached`, made by a method that "
            "meets such networks"
        )
    return config, found


def run(argv: list[str] | None = None) -> None:
    """Make the networks of a cache that the command line asks for."""
    args, begun = parser().parse_args(argv), time.monotonic()
    config, files = requested(vars(args))
    check_data(config | {"ipc": 1}, read_manifest(files["manifest"]), files["manifest"])
    data = load(files["manifest"], files["root"]).to(setup(args.device, args.threads))
    members, inputs = (
        range(networks(config)) if args.member is None else [args.member],
        inputs_digest([files["manifest"]]),
    )
    discard_others(files["out"], config, members, files["manifest"], inputs)
    fill(files["out"], config, data, members, inputs, begun + args.time_limit)
    if args.record:
        write_json(
            args.record,
            cache_config(config) | {"members": list(members), "inputs": inputs, "code": code_digest(MODULE)},
        )
        taken.note_together(args.record, (cached.member_path(files["out"], member) for member in members))
    print(
        f"{files['out']}: {'all networks' if args.member is None else f'network {args.member}'}, at "
        f"{config['distill']['cache_ages']} ages"
    )
