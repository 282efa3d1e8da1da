"""Schedules of a method where the published one takes days of a GPU: a short one (`udd.short`), one of so many minutes here (`udd.budget`)."""

from __future__ import annotations

import sys
from typing import Any

from udd.config.caches import check_networks, meets_cache
from udd.config.params import load
from udd.config.plan import changes
from udd.config.plan import method as method_of
from udd.config.sections import MATCHING, distils
from udd.config.short import budgeted, moving, schedule, uncached
from udd.data import Dataset
from udd.device import setup
from udd.errors import UserError
from udd.interface import DEFAULTS, configuration
from udd.runs.ages import AGE_KEYS, KNOWN, first_known, oldest, younger
from udd.runs.budget import Trial, network_seconds
from udd.runs.budget import budget as afforded
from udd.runs.progress import duration


def short(data: Dataset, method: str, ipc: int, device: str = "auto", threads: int = 0, **keys: Any) -> dict[str, Any]:
    """The keys with which `udd.distill(data, method, ipc, **keys)` takes the schedule of `udd distill SOURCE`, a hundredth of the published steps or
    so (udd.config.short), `keys` among them: any key of params.yaml that the method reads. Of a method that takes no steps, these alone.

    Methods of gradients meet networks as old as the data allow, which a network that is trained on trial says, unless a key of their ages is given.
    Raises UserError for an unknown method or key.
    """
    chosen = planned(method, ipc, keys)
    _, config = configuration(data, method, ipc, 0, chosen)
    check_networks(config)
    if config["method"] not in MATCHING or not meets_cache(config) or set(AGE_KEYS) & set(keys):
        return chosen
    known = first_known(config["distill"], data.to(setup(device, threads)))
    ages = younger(config["distill"], known)
    learnt = f"{known:,} images teach one {KNOWN} % of the training images, and " if ages else ""
    print(f"cached networks: {learnt}the oldest sees {oldest(config['distill'] | ages):,}", file=sys.stderr)
    return chosen | ages


def planned(method: str, ipc: int, asked: dict[str, Any]) -> dict[str, Any]:
    """The keys of the short schedule for a variant that is distilled, and what is asked for; of another, or one that is not known, the latter."""
    params = load([DEFAULTS])
    if method not in params["variants"] or not distils(how := method_of(params, method)):
        return asked
    inner = changes(params["variants"][method], "distill", ipc).get("inner", 1)
    return moving(uncached(schedule(how, asked.get("inner", inner)) | asked, asked), asked)


def budget(data: Dataset, method: str, ipc: int, minutes: float, device: str = "auto", threads: int = 0, **keys: Any) -> dict[str, Any]:
    """The keys with which `udd.distill(data, method, ipc, **keys)` takes about so many minutes here, trial and cached networks included: steps, cache
    and rate, beside the short schedule of the method (udd.config.short) and `keys`, any key of params.yaml that the method reads.

    A trial of the method's own steps measures this device; so another device, or another day, gives other keys: keep them, for the same set again.
    Raises UserError for a method that is not distilled, `outer` beside minutes, or minutes that hold not one step.
    """
    if "outer" in keys:
        raise UserError(f"minutes: found outer={keys['outer']} as well; the minutes decide the steps: leave out one of the two")
    _, published = configuration(data, method, ipc, 0, {})
    if not distils(published["method"]):
        raise UserError(f"minutes: {method} chooses real images and takes no steps: leave them out")
    steps = published["distill"]["outer"] * published["distill"]["inner"]
    chosen = moving(budgeted(published["method"]) | keys, keys)
    place = setup(device, threads)
    _, config = configuration(data, method, ipc, 0, chosen)
    check_networks(config)
    found, measured = afforded(config, data.to(place), minutes, steps, keys)
    chosen = moving(chosen | found, keys)
    print(said(minutes, config | {"distill": config["distill"] | chosen}, measured), file=sys.stderr)
    return chosen


def said(minutes: float, config: dict[str, Any], found: Trial) -> str:
    """What was chosen, in a line."""
    distill, cache = config["distill"], ""
    if meets_cache(config):
        ages = f"of at most {oldest(distill):,} images"
        known = f" (one that knows the data has seen {found.known:,})" if found.known else ""
        cache = f"{distill['cache_networks']} cached networks {ages}{known}, {duration(network_seconds(distill, found))} each, then "
    steps = distill["outer"] * distill["inner"]
    move = distill.get("image_move")
    how = f"the pixels move by {move:.3g} a step at the start" if move else f"rate {distill['image_lr']:.3g}"
    return f"{minutes:g} min hold {cache}{steps:,} steps of {found.step:.2g} s; {how}"
