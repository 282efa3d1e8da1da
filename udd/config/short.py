"""Short schedules, by method: what `udd distill SOURCE` and `udd.budget` take where params.yaml's
variants have days of a GPU."""

from __future__ import annotations

import math
from typing import Any

# Of gradients: 1 % of the paper's steps, on cached networks of at most 1,248 SGD steps; of fewer where data are learned
# sooner (udd.runs.ages, docs/cached-proxies.md).
GRADIENTS = {"outer": 50, "inner": 40, "networks": "cached", "net_images": 2000, "image_move": 0.04}
CACHE = {"networks": "cached", "cache_networks": 5, "cache_ages": 10, "cache_spacing": 8, "net_images": 2000}
EXPERTS = CACHE | {"cache_draws": 0}

# By method; of one that is not here its variant's own schedule.
SHORT: dict[str, dict[str, Any]] = {
    "udd": GRADIENTS | {"init": "mix"},  # where the paper starts from real images
    "idc": GRADIENTS,
    "dm": {"outer": 500},
    "dsa": {"outer": 250, "init": "real"},  # from noise, as DC is published, so few steps lead nowhere
    "dd": {"outer": 500},
    "kip": {"outer": 300, "batch_real": 100},
    # A tenth of the published steps, at IPC 1 and 10 of ten times the length
    "mtt": EXPERTS | {"outer": 500, "image_lr": 1000.0},
    "cafe": {"outer": 20, "inner": 10, "init": "real"},
    "dance": EXPERTS | {"outer": 800},
    "ncfm": EXPERTS | {"outer": 800, "batch_real": 256, "frequencies": 1024},
    "udd_features": CACHE | {"outer": 800},
}


# By distance, how far pixels move at the start in a schedule of STEPS steps, or fewer (chosen on training images:
# docs/cached-proxies.md); in a longer one less, as its steps add up. By L1 less, as
# measured there. And the rate where networks are fresh: 64 times the paper's of CIFAR-10, of MNIST.
MOVED, STEPS = {"mse": 0.04, "l1": 0.01}, 2000
FRESH = {"mse": 0.32, "l1": 0.0064}


def moving(keys: dict[str, Any], asked: dict[str, Any], distance: str = "mse") -> dict[str, Any]:
    """The keys of a schedule, what was asked for among them, with the pixels' step by a distance: `image_move` of so
    many steps, unless a rate was asked for."""
    if "image_move" not in keys or asked.get("image_move"):
        return keys
    rest = {key: value for key, value in keys.items() if key != "image_move"}
    if "image_lr" in asked:
        return rest
    counts = [keys[key] for key in ("outer", "inner")]
    # Else refused later
    less = min(1.0, STEPS / math.prod(counts)) if all(type(each) is int and each > 0 for each in counts) else 1.0
    return rest | (
        {"image_lr": FRESH[distance] * less}
        if keys.get("networks") != "cached" or "image_move" in asked
        else {"image_move": MOVED[distance] * less}
    )


def uncached(keys: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The keys of a schedule, what was asked for among them; for gradients of fresh networks with fewer images to train
    on between two steps, which costs more than all else there."""
    return keys if "image_move" not in keys or keys.get("networks") != "fresh" else keys | {"net_images": 256} | asked


def budgeted(method: str, networks: str = "cached") -> dict[str, Any]:
    """The keys of a method's short schedule where minutes decide how long it is: methods of gradients meet older
    networks, where the data allow, and at every step another; fresh ones they keep for as many steps as else, since a
    network is new at its first."""
    keys = schedule(method)
    return keys | (CACHE | {"inner": 1} if "image_move" in keys and networks == "cached" else {})


def schedule(method: str, inner: int = 1) -> dict[str, Any]:
    """The keys of a method's short schedule, on a network of width 64. inner: steps on a network, where the schedule
    says nothing of them: it has as many in all whatever they are."""
    keys = SHORT.get(method, {})
    counted = "outer" in keys and "inner" not in keys and type(inner) is int and inner > 0  # else refused later
    outer = {"outer": max(1, keys["outer"] // inner)} if counted else {}
    return {"width": 64} | keys | outer
