"""The caches of networks that sets meet (`networks: cached`): what decides one, and its place below results/cache."""

from __future__ import annotations

import hashlib
from typing import Any

from udd.config.plan import Cell, Params, canonical, distilled, seeds, set_config
from udd.config.requested import all_cells
from udd.config.sections import CACHED_ONLY, MATCHING, NO_NETWORK, NOTHING_REAL, OWN_NETWORKS, TRAJECTORIES, distils
from udd.errors import UserError

RECORDS = "networks"  # below results: small records of cached networks, in git
Config = dict[str, Any]
# And net_*, cutmix_*, cache_*
KEYS = ("network", "width", "pretrain_epochs", "batch_real", "real_batch", "matching_augment", "precision", "compile")


def meets_cache(config: Config) -> bool:
    """Whether a set of this configuration is made with cached networks."""
    return (
        distils(config["method"]) and config["method"] not in OWN_NETWORKS and config["distill"]["networks"] == "cached"
    )


def check_networks(config: Config) -> None:
    """Raise UserError if a set's method does not meet the networks, or the real batches, that its configuration
    names."""
    method, distill = config["method"], config.get("distill", {})
    if method in CACHED_ONLY and distill["networks"] != "cached":
        found = f"{config['variant']}: found networks: {distill['networks']}"
        raise UserError(f"{found}; {method} takes weights from trained networks: write networks: cached")
    if "image_move" in distill and not (method in MATCHING and meets_cache(config)):
        found = (
            f"{config['variant']}: found image_move: {distill['image_move']} for {method} and networks: "
            f"{distill['networks']}"
        )
        asks = f"it asks for a method of gradients ({', '.join(MATCHING)}) and networks: cached"
        raise UserError(f"{found}; {asks}: write these, or image_lr and image_move: 0")
    if method in TRAJECTORIES and config[method]["expert_ages"] >= distill["cache_ages"]:
        ages = f"expert_ages {config[method]['expert_ages']} of cache_ages {distill['cache_ages']}"
        raise UserError(
            f"{config['variant']}: found {ages}; an expert starts at an age and goes on: more cache_ages, or fewer "
            "expert_ages"
        )
    if method in (*NOTHING_REAL, *NO_NETWORK) and distill.get("real_batch") == "clusters":
        lacks = (
            "meets no real batch" if method in NOTHING_REAL else "has no network by which images could be told apart"
        )
        raise UserError(f"{config['variant']}: found real_batch: clusters; {method} {lacks}: leave it out")
    if meets_cache(config) and method not in CACHED_ONLY and not distill["cache_draws"]:
        raise UserError(
            f"{config['variant']}: found cache_draws: 0, a cache of weights alone; {method} reads what they were "
            "shown: 1 or more"
        )


def cache_config(config: Config) -> Config:
    """What decides each network of the cache that a set meets; not how many there are, so that a cache can grow."""
    distill = config["distill"]
    keys = [
        key
        for key in distill
        if (key in KEYS or key.startswith(("net_", "cutmix_", "cache_"))) and key != "cache_networks"
    ]
    return {"dataset": config["dataset"], "distill": {key: distill[key] for key in keys}}


def cache_name(config: Config) -> str:
    """The place, below results/cache, of the cache that a set meets: data set, the digest of what decides its
    networks."""
    digest = hashlib.sha256(canonical(cache_config(config)).encode()).hexdigest()[:12]
    return f"{config['dataset']['name']}/{digest}"


def caches(params: Params) -> dict[str, Config]:
    """The caches that are met, by name: the configuration of the set that asks for most networks."""
    cells = [cell for cell in all_cells(params) if cell.variant in distilled(params)]
    found: dict[str, Config] = {}
    for config in filter(
        meets_cache, (set_config(params, cell, seed) for cell in cells for seed in seeds(params, cell))
    ):
        name = cache_name(config)
        if name not in found or networks(found[name]) < networks(config):
            found[name] = config
    return found


def named(params: Params, name: str) -> Config | None:
    """The configuration of a set that meets the cache of this name, whether a table or figure asks for it or it is
    asked for by its own name; None if no variant's sets do."""
    dataset = name.split("/")[0]
    if dataset not in params["datasets"]:
        return None
    declared = (
        set_config(params, Cell(dataset, ipc, variant), 0)
        for variant in distilled(params)
        for ipc in telling_sizes(params, dataset)
    )
    return next((config for config in declared if meets_cache(config) and cache_name(config) == name), None)


def telling_sizes(params: Params, dataset: str) -> list[int]:
    """The IPCs that stand for all of a data set's sets: those at which it, or a variant, differs,
    and one at which none does."""
    variants = params["variants"].values()
    parts = [
        params["datasets"][dataset],
        *variants,
        *(variant.get("datasets", {}).get(dataset, {}) for variant in variants),
    ]
    differing = sorted({int(key.removeprefix("ipc")) for part in parts for key in part if key.startswith("ipc")})
    return [*differing, next(ipc for ipc in range(1, len(differing) + 2) if ipc not in differing)]


def networks(config: Config) -> int:
    """How many networks of its cache a set meets."""
    return config["distill"]["cache_networks"]
