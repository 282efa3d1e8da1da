"""Short schedules, by method: what `udd distill SOURCE` and `udd.budget` take where params.yaml's variants have days of a GPU."""

from __future__ import annotations

from typing import Any

# Of gradients as in experiments/cpu.yaml: 1 % of the paper's steps, each 64 times as long (chosen on training images of CIFAR-10).
GRADIENTS = {"outer": 50, "inner": 40, "net_images": 256, "image_lr": 0.32, "init": "mix"}
CACHE = {"networks": "cached", "cache_networks": 5, "cache_ages": 10, "cache_spacing": 8, "net_images": 2000}
EXPERTS = CACHE | {"cache_draws": 0}

# By method; of one that is not here its variant's own schedule.
SHORT: dict[str, dict[str, Any]] = {
    "udd": GRADIENTS,
    "idc": GRADIENTS,
    "dm": {"outer": 500},
    "dsa": {"outer": 250, "init": "real"},  # from noise, as DC is published, so few steps lead nowhere
    "dd": {"outer": 500},
    "kip": {"outer": 300, "batch_real": 100},
    "mtt": EXPERTS | {"outer": 500},
    "cafe": {"outer": 20, "inner": 10, "init": "real"},
    "dance": EXPERTS | {"outer": 800},
    "ncfm": EXPERTS | {"outer": 800, "batch_real": 256, "frequencies": 1024},
    "udd_features": CACHE | {"outer": 800},
}


# Steps that a published rate is multiplied for: a run of as few, or fewer, takes MOST times it, a longer one less, as its steps add up to more.
MOST, AT = 64.0, 0.01


def rate(published: float, steps: int, taken: int) -> float:
    """The pixels' rate for so many steps of a method of gradients that was published with a rate for `steps` of them."""
    return published * min(MOST, max(1.0, MOST * AT * steps / taken))


def budgeted(method: str) -> dict[str, Any]:
    """The keys of a method's short schedule where minutes decide how long it is: methods of gradients meet cached networks, at every step another."""
    cached = CACHE | {"inner": 1, "image_lr": 0.32, "init": "mix"} if SHORT.get(method) is GRADIENTS else {}
    return schedule(method) | cached


def schedule(method: str, inner: int = 1) -> dict[str, Any]:
    """The keys of a method's short schedule, on a network of width 64. inner: steps on a network, where the schedule says nothing of them: it has as
    many in all whatever they are."""
    keys = SHORT.get(method, {})
    outer = {"outer": max(1, keys["outer"] // inner)} if "outer" in keys and "inner" not in keys else {}
    return {"width": 64} | keys | outer
