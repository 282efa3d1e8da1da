"""How long a schedule so many minutes hold on this device: steps, the cached networks that they meet, the
pixels' rate; by a trial of the method's own steps, on the data at hand, which asks as well how old the
networks may be (udd.runs.ages)."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from udd.config.caches import meets_cache
from udd.config.sections import TRAJECTORIES
from udd.data import Dataset
from udd.errors import UserError
from udd.methods import rate
from udd.proxies import cached, caching
from udd.runs.ages import learned, left_open, training_steps, younger
from udd.runs.growth import Growth
from udd.runs.loop import Distillation

Config = dict[str, Any]
SLACK = 0.95  # of the time is planned: checkpoints, the last step, a device that slows down
SHARE = 1 / 3  # of the time is the most that goes into cached networks
AGES = 4  # of the network of the trial, or as many as an expert's way has (MTT)
# Steps that are not counted, the fewest and most that are, and the part of the time for them; for ages as much again
WARM, FEWEST, MOST, TRIAL = 2, 3, 50, 0.03


class Trial(NamedTuple):
    """Seconds: of a step on the images with all that goes with it; of looking at a cached network at an age; of
    training it on `net_images`. And after how many SGD steps a network knows the data; 0: it was not asked, or does not
    after as many as the trial had time for."""

    step: float
    look: float = 0.0
    train: float = 0.0
    known: int = 0


def clock(device: torch.device) -> float:
    """Seconds on the clock on the wall, when the device has done all that it was asked: what else the machine does will
    go on, as likely as not."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def network_seconds(distill: Config, found: Trial) -> float:
    """The seconds of one cached network."""
    ages = distill["cache_ages"]
    return ages * found.look + (ages - 1) * distill["cache_spacing"] * found.train


def affordable(distill: Config, found: Trial, seconds: float) -> Config:
    """As many cached networks as planned, or as so many seconds hold; where they hold not one, one
    that is trained for less."""
    count = min(distill["cache_networks"], int(seconds / max(network_seconds(distill, found), 1e-9)))
    if count:
        return {"cache_networks": count}
    training = (seconds - distill["cache_ages"] * found.look) / max((distill["cache_ages"] - 1) * found.train, 1e-9)
    return {"cache_networks": 1, "cache_spacing": max(1, int(training))}


def shortest(distill: Config, found: Trial, caches: bool) -> float:
    """The seconds that hold `inner` steps and, where the method meets these, what `affordable` makes of networks."""
    steps = distill["inner"] * found.step
    least = network_seconds(distill | {"cache_spacing": 1}, found) if caches else 0.0
    return max(steps + least, steps / (1 - SHARE) if caches else 0.0) / SLACK


def enough(spent: float, needed: float) -> str:
    """The minutes, as text, that hold a schedule of `needed` seconds after a trial that took `spent`: of fewer minutes,
    so it would take a part of those that are added as well."""
    minutes = (spent + needed) / (1 - 2 * TRIAL) / 60
    return f"{float(f'{1.06 * minutes:.2g}'):g}"  # two digits that are not rounded below


def fitted(distill: Config, found: Trial, seconds: float, caches: bool, most: int, spent: float = 0.0) -> Config:
    """The keys of a schedule that takes so many seconds, of `most` steps at most. spent: the seconds of the trial.
    Raises UserError if they do not hold a single step, and says how many minutes do."""
    planned = SLACK * seconds
    cache = affordable(distill, found, SHARE * planned) if caches else {}
    left = planned - (cache.get("cache_networks", 0) * network_seconds(distill | cache, found) if caches else 0.0)
    inner = distill["inner"]
    outer = min(int(left / (found.step * inner)), max(1, most // inner))
    if outer < 1:
        needed = shortest(distill, found, caches)
        raise UserError(
            f"minutes: {seconds / 60:.2g} are left after the trial, which took {spent / 60:.2g}, and the shortest "
            f"schedule takes {needed / 60:.2g}; give {enough(spent, needed)} or more"
        )
    return cache | {"outer": outer}


def trial(config: Config, data: Dataset, seconds: float, ages: bool) -> Trial:
    """What a step takes, and a cached network if the method meets these: a few of each, thrown away, for about so many
    seconds. If `ages` are to be chosen, for about as long again when a network knows the data."""
    with tempfile.TemporaryDirectory() as place:
        folder, look, train, known = None, 0.0, 0.0, 0
        if meets_cache(config):
            folder = Path(place, "cache")
            way = config[config["method"]]["expert_ages"] + 1 if config["method"] in TRAJECTORIES else 0
            ages_met = min(max(AGES, way), config["distill"]["cache_ages"])
            few = {"cache_networks": 1, "cache_ages": ages_met, "cache_spacing": 1}
            config = config | {"distill": config["distill"] | few}
            growth = Growth(cached.member_path(folder, 0), config, data, 0, "")
            look, train = watched(growth)
            end = time.monotonic() + seconds
            known = learned(growth.made, data, growth.distill, lambda: time.monotonic() > end) if ages else 0
        rest = {key: value for key, value in config["distill"].items() if key != "image_move"}
        run = Distillation(config | {"distill": {"image_lr": 0.0} | rest}, data, Path(place, "checkpoint"), folder, "")
        return Trial(paced(run, seconds), look, train, known)


def watched(growth: Growth) -> tuple[float, float]:
    """The seconds of a look at a network, and of its training until the next age, by the ages after the
    first; its file is written."""
    device, distill = growth.data.train_images.device, growth.distill
    looks, trainings = [], []
    while not growth.done:
        begun = clock(device)
        growth.seen.append(
            caching.snapshot(growth.made, growth.twin, growth.data, growth.index, distill, growth.observe)
        )
        seen = clock(device)
        caching.grown(growth.made, growth.data, distill)
        looks.append(seen - begun)
        trainings.append(clock(device) - seen)
    growth.path.parent.mkdir(parents=True, exist_ok=True)
    growth.write(growth.path, {})
    return statistics.median(looks[1:] or looks), statistics.median(trainings[1:] or trainings)


def paced(run: Distillation, seconds: float) -> float:
    """The mean seconds of a step, after a few that load or compile what is loaded or compiled once."""
    device = run.mean.device
    for _ in range(WARM):
        run.advance(logged=False)
    begun, end, done = clock(device), time.monotonic() + seconds, 0
    while done < FEWEST or (done < MOST and time.monotonic() < end):
        run.advance(logged=False)
        done += 1
    return (clock(device) - begun) / done


def budget(
    config: Config, data: Dataset, minutes: float, most: int, given: Collection[str] = ()
) -> tuple[Config, Trial]:
    """The keys of a schedule that takes so many minutes with this trial, of `most` steps at most, and what the trial
    found. Ages of cached networks stay as planned where one of their keys is `given`."""
    begun, distill = time.monotonic(), config["distill"]
    found = trial(config, data, 60 * minutes * TRIAL, ages=left_open(config, given))
    ages = younger(distill, found.known)
    found = (
        found._replace(train=found.train * training_steps(distill | ages) / training_steps(distill)) if ages else found
    )
    looks = rate.LOOKS * found.step if "image_move" in distill else 0.0
    spent = time.monotonic() - begun + looks
    left = max(0.0, 60 * minutes - spent)
    return ages | fitted(distill | ages, found, left, meets_cache(config), most, spent), found
