"""A small cache of networks: its keys, its configuration, and how it is made of any data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import config, dataset

from udd.runs.cache import fill

CACHE: dict[str, Any] = {
    "networks": "cached",
    "cache_networks": 2,
    "cache_ages": 3,
    "cache_spacing": 1,
    "cache_draws": 2,
    "cache_seed": 0,
}
CONFIG = config(**CACHE)


def one_of_each() -> Any:
    """A data set with one image a class: every real batch of a class is that image, however it is drawn."""
    return dataset(count=3)


def made(folder: Path, found: dict[str, Any], data: Any) -> Path:
    """The cache of a configuration, of any data set."""
    fill(folder, found, data, range(found["distill"]["cache_networks"]), "")
    return folder
