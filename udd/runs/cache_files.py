"""The files of a cache of networks: which are there, of other data, or still to be made, and whether the disk has room
for these."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from udd.config.caches import cache_config, cache_name
from udd.config.compare import difference
from udd.data import Dataset
from udd.errors import UserError
from udd.files import try_lock
from udd.provenance import code_digest
from udd.proxies import cached
from udd.proxies.fresh import fresh_network

Config = dict[str, Any]
MB = 1e6
MODULE = "udd.proxies.caching"


def size(config: Config, data: Dataset) -> int:
    """The bytes of one network's file."""
    network = fresh_network(data, config["distill"], torch.Generator(data.train_images.device))
    parameters = sum(weight.numel() for weight in network.parameters())
    return cached.nbytes(config["distill"], parameters, network.classifier.in_features, len(data.classes))


def absent(folder: Path, config: Config, members: Iterable[int], inputs: str) -> list[int]:
    """Those of the numbered networks that are still to be made for a set of this configuration: not in the
    folder, or made by other code.

    inputs: the digest of the data. Raises UserError if a file there is none of a cache's, or of another
    configuration or other data.
    """
    planned, missing = cache_config(config), []
    for member in members:
        path = cached.member_path(folder, member)
        if not path.exists():
            missing.append(member)
            continue
        found = cached.metadata(path)
        if differing := difference({key: found.get(key) for key in planned}, planned):
            raise UserError(f"{path}: made for another configuration: {differing}; give another folder, or delete it")
        if found.get("inputs") != inputs:
            raise UserError(f"{path}: made of other data; give another folder, or delete it")
        if found["provenance"]["code"] != code_digest(MODULE):
            missing.append(member)
    return missing


def discard_others(
    folder: Path | None, config: Config, members: Iterable[int], manifest: Path, inputs: str, wait: float = 1.0
) -> None:
    """Delete those of the numbered networks that are of other data at the workflow's own place, cache/DATASET/DIGEST
    beside data/DATASET.json, whose name says nothing of the data's bytes: a data set that changed would else stop every
    set that meets them. With another manifest than that one they stay, and are refused (`absent`)."""
    if folder is None or "cache_ages" not in config["distill"]:  # none are met
        return
    results = Path(*folder.absolute().parts[:-3])
    own = (results / "cache" / cache_name(config), results / "data" / f"{config['dataset']['name']}.json")
    if (folder.absolute(), manifest.absolute()) != own:
        return
    for path in (cached.member_path(folder, member) for member in members):
        while of_others(path, inputs):
            with try_lock(path) as free:
                if free and of_others(path, inputs):
                    print(f"{path}: made of other data, and made anew", file=sys.stderr)
                    path.unlink()
            if not free:  # another job is at it
                time.sleep(wait)


def of_others(path: Path, inputs: str) -> bool:
    """Whether a network's file is there, and of other data. Raises UserError if it is none of a cache's."""
    if not path.exists():
        return False
    try:
        return cached.metadata(path).get("inputs") != inputs
    except UserError:
        if path.exists():
            raise
        return False  # another job deleted it meanwhile


def check_disk(folder: Path, each: int, missing: int) -> None:
    """Raise UserError if the disk has no room for so many files of a cache."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(there).free) < each * missing:
        needed = (
            f"{missing} networks to be cached take {each / MB:,.2f} MB each, and the disk has {free / MB:,.2f} MB free"
        )
        raise UserError(f"{folder}: {needed}; lower cache_networks, cache_ages or cache_draws, or free some space")
