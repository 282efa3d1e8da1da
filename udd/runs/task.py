"""What a command line asks of distillation: the sets to make, where they go, and whether all of it fits together."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from udd.command import Parser, add_common, count, whole
from udd.config import files as paths
from udd.config.asked import add_config, asked, named_cell, read_config
from udd.config.caches import cache_name, meets_cache
from udd.config.fitting import check_fit
from udd.config.params import load as load_params
from udd.config.plan import canonical, made_as, set_config
from udd.config.sections import METHODS, distils
from udd.errors import UserError
from udd.files import inputs_digest
from udd.methods import modules
from udd.provenance import code_digest


class Task(NamedTuple):
    """One set to make: its configuration; the files that it is made of; where it, its curve and its checkpoints go; the
    folder of cached networks."""

    config: dict[str, Any]
    manifest: Path
    root: Path
    out: Path
    curve: Path
    checkpoints: Path
    cache: Path | None


CONFIG = ("dataset", "ipc", "method", "seed", "variant")  # what a resolved configuration of a set has, beside sections


def parser() -> Parser:
    """The command line of `udd distill`."""
    made = Parser(prog="udd distill", description="Distil a data set (Algorithm 1); goes on from its last checkpoint.")
    add_config(made)
    made.add_argument("--manifest", type=Path, help="the data set's manifest; results/data/DATASET.json by default")
    made.add_argument(
        "--root", type=Path, help="where raw data lies; by default UDD_DATA, else data_root of params.yaml"
    )
    made.add_argument("--out", type=Path, help="the synthetic set; its place below results/synthetic by default")
    made.add_argument("--curve", type=Path, help="loss curve (CSV); its place below results/curves by default")
    made.add_argument(
        "--checkpoints", type=Path, help="folder of checkpoints; the set's place below results/checkpoints by default"
    )
    made.add_argument(
        "--cache",
        type=Path,
        help="folder of cached networks, for `networks: cached`; those that are missing are made first",
    )
    made.add_argument(
        "--checkpoint-seconds", type=float, default=180, help="time between checkpoints; 0: after every step"
    )
    made.add_argument(
        "--time-limit",
        type=float,
        default=float("inf"),
        help="seconds after which a run ends at a checkpoint, with exit code 75",
    )
    made.add_argument(
        "--snapshots",
        type=count,
        nargs="+",
        default=[],
        help="also write the set after so many networks, as OUT-outerN.safetensors",
    )
    made.add_argument(
        "--log-every", type=whole, default=0, help="iterations between log lines; by default about 250 lines a run"
    )
    add_common(made)
    return made


def requested(options: dict[str, Any]) -> Task:
    """The set to make, of the options of `parser`; the files that these leave out are where params.yaml puts them.
    Raises UserError if they do not fit together."""
    wanted = asked(options)
    config, files = read_config(wanted.config, *CONFIG), options
    if config is None:
        params = load_params(wanted.params)
        cell = named_cell(params, wanted)
        config, place = set_config(params, cell, wanted.seed), made_as(params, cell).folder
        named = {
            "out": f"synthetic/{place}/seed{wanted.seed}.safetensors",
            "curve": f"curves/{place}/seed{wanted.seed}.csv",
        }
        cache = {"cache": f"cache/{cache_name(config)}"} if meets_cache(config) else {}
        files = options | paths.filled(
            options, params, manifest=f"data/{cell.dataset}.json", checkpoints=f"checkpoints/{place}", **named, **cache
        )
    check(config)
    paths.need(files, "manifest", "root", "out")
    out = files["out"]
    beside = {"curve": files["curve"] or out.with_suffix(".csv"), "checkpoints": files["checkpoints"] or out.parent}
    return Task(config, files["manifest"], files["root"], out, **beside, cache=files["cache"])


def check(config: dict[str, Any]) -> None:
    """Raise UserError unless the configuration is that of a set which is distilled."""
    if config["method"] not in METHODS or not distils(config["method"]):
        raise UserError(
            f"variant {config['variant']}: its method is {config['method']}, which distils nothing; use udd coresets"
        )
    if lacking := [section for section in METHODS[config["method"]] if section not in config]:
        raise UserError(
            f"--config: found no {', '.join(lacking)}; expected a set's configuration, as udd plan prints it"
        )
    check_fit(config)


def check_data(config: dict[str, Any], manifest: dict[str, Any], path: Path) -> None:
    """Raise UserError if the manifest is of another data set, or a class has fewer images than IPC."""
    if manifest["config"] != config["dataset"]:
        raise UserError(
            f"{path}: a manifest of {canonical(manifest['config'])}, expected {canonical(config['dataset'])}; run udd "
            "data again"
        )
    smallest, name = min(
        zip(manifest["counts"]["train"], manifest["classes"], strict=True), key=lambda counted: counted[0]
    )
    if config["ipc"] > smallest:
        found = f"the smallest class of {config['dataset']['name']} has {smallest} training images"
        raise UserError(f"ipc {config['ipc']}: {found}; lower ipc, or give class {name} more of them")


def checkpoint_path(folder: Path, config: dict[str, Any], manifest: Path) -> Path:
    """The checkpoint's file: its name holds the digest of configuration, code and data, so that no run takes
    another's."""
    code = "".join(code_digest(module) for module in modules(config))
    made_of = canonical(config) + code + inputs_digest([manifest])
    return Path(folder) / f"seed{config['seed']}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.safetensors"
