"""Schedules of a method where the published one takes days of a GPU: a short one (`udd.short`), one of so many
minutes here (`udd.budget`)."""

from __future__ import annotations

import sys
from typing import Any

from udd.config.caches import meets_cache
from udd.config.fitting import check_fit
from udd.config.params import DEFAULTS, load
from udd.config.plan import changes
from udd.config.plan import method as method_of
from udd.config.sections import MATCHING, distils
from udd.config.short import budgeted, moving, schedule, uncached
from udd.data import Dataset
from udd.device import setup
from udd.errors import UserError
from udd.given import amount, plain
from udd.interface import configuration
from udd.runs.ages import KNOWN, LOOKED, first_known, left_open, oldest, younger
from udd.runs.budget import Trial, network_seconds
from udd.runs.budget import budget as afforded
from udd.runs.progress import duration
from udd.surroundings import set_aside


@set_aside()
def short(data: Dataset, method: str, ipc: int, device: str = "auto", threads: int = 0, **keys: Any) -> dict[str, Any]:
    """The keys with which `udd.distill(data, method, ipc, **keys)` takes the schedule of `udd distill SOURCE`, a
    hundredth of the published steps or so (udd.config.short), `keys` among them: any key of params.yaml that the method
    reads. Of a method that takes no steps, these alone.

    Methods of gradients meet networks as old as the data allow, which a network that is trained on trial says, unless
    `cache_spacing` or `net_images` is given. Raises UserError for an unknown method or key.
    """
    keys = {key: plain(keys[key]) for key in keys}
    chosen = planned(method, ipc, keys, distance_of(data, method, ipc, keys))
    _, config = configuration(data, method, ipc, 0, chosen)
    check_fit(config)
    return (
        chosen | aged(config, data.to(setup(device, threads)), keys)
        if config["method"] in MATCHING and meets_cache(config)
        else chosen
    )


def aged(config: dict[str, Any], data: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """The keys by which cached networks get no older than the data allow, where the keys that are given leave it
    open; a line says how old."""
    distill, asked = config["distill"], left_open(config, given)
    if asked:
        most = f"at most {LOOKED * oldest(distill):,.0f} SGD steps"
        print(f"one network is trained on trial for {most}, to see how old cached ones may be", file=sys.stderr)
    known = first_known(distill, data) if asked else 0
    ages = younger(distill, known)
    when = (
        f": one classified {KNOWN} % of the training images after {known:,}"
        if known
        else f": one did not classify {KNOWN} % of the training images after {LOOKED:.0%} of these"
        if asked
        else ""
    )
    print(f"cached networks of at most {oldest(distill | ages):,} SGD steps{when}", file=sys.stderr)
    return ages


def distance_of(data: Dataset, method: str, ipc: int, asked: dict[str, Any]) -> str:
    """The distance by which a method matches gradients on a data set: the one that is asked for, else that of
    params.yaml. Raises UserError for an unknown method or key."""
    own = {key: value for key, value in asked.items() if key == "distance"}
    _, config = configuration(data, method, ipc, 0, own)
    return config.get(config["method"], {}).get("distance", "mse")


def planned(method: str, ipc: int, asked: dict[str, Any], distance: str = "mse") -> dict[str, Any]:
    """The keys of the short schedule for a variant that is distilled, and what is asked for; of another, or one
    that is not known, the latter."""
    params = load([DEFAULTS])
    if method not in params["variants"] or not distils(how := method_of(params, method)):
        return asked
    inner = changes(params["variants"][method], "distill", ipc).get("inner", 1)
    return settled(how, schedule(how, asked.get("inner", inner)) | asked, asked, distance)


def settled(method: str, keys: dict[str, Any], asked: dict[str, Any], distance: str) -> dict[str, Any]:
    """The keys of a schedule, what was asked for among them, with what follows from this for a method of gradients."""
    return moving(uncached(keys, asked), asked, distance) if method in MATCHING else keys


@set_aside()
def budget(
    data: Dataset, method: str, ipc: int, minutes: float, device: str = "auto", threads: int = 0, **keys: Any
) -> dict[str, Any]:
    """The keys with which `udd.distill(data, method, ipc, **keys)` takes about so many minutes here, trial and cached
    networks included: steps, cache and rate, beside the short schedule of the method (udd.config.short) and `keys`, any
    key of params.yaml that the method reads.

    A trial of the method's own steps measures this device; so another device, or another day, gives other keys: keep
    them, for the same set again. Raises UserError for a method that is not distilled, `outer` beside minutes, or
    minutes that hold not one step.
    """
    minutes, keys = amount("minutes", minutes), {key: plain(keys[key]) for key in keys}
    if "outer" in keys:
        raise UserError(
            f"minutes: found outer={keys['outer']} as well; the minutes decide the steps: leave out one of the two"
        )
    _, published = configuration(data, method, ipc, 0, {})
    if not distils(published["method"]):
        raise UserError(f"minutes: {method} chooses real images and takes no steps: leave them out")
    steps = published["distill"]["outer"] * published["distill"]["inner"]
    how = published["method"]
    distance = distance_of(data, method, ipc, keys)
    unsettled = budgeted(how, keys.get("networks", "cached")) | keys
    place = setup(device, threads)
    _, config = configuration(data, method, ipc, 0, settled(how, unsettled, keys, distance))
    check_fit(config)
    found, measured = afforded(config, data.to(place), minutes, steps, keys)
    # Anew, as the pixels' step depends on how many there are
    chosen = settled(how, unsettled | found, keys, distance)
    print(said(minutes, config | {"distill": config["distill"] | chosen}, measured), file=sys.stderr)
    return chosen


def said(minutes: float, config: dict[str, Any], found: Trial) -> str:
    """What was chosen, in a line."""
    distill, cache = config["distill"], ""
    if meets_cache(config):
        ages = f"of at most {oldest(distill):,} SGD steps"
        known = f" (one classified {KNOWN} % of the training images after {found.known:,})" if found.known else ""
        cache = (
            f"{distill['cache_networks']} cached networks {ages}{known}, {duration(network_seconds(distill, found))} "
            "each, then "
        )
    steps = distill["outer"] * distill["inner"]
    move = distill.get("image_move")
    how = f"the pixels move by {move:.3g} a step at the start" if move else f"rate {distill['image_lr']:.3g}"
    return f"{minutes:g} min hold {cache}{steps:,} steps of {found.step:.2g} s; {how}"
