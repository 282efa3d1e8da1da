"""One module a method, read beside its paper. The machinery (udd.runs) knows none by name; a new method is a module and a line here.

A method's module has, with plain tensors (udd.methods.udd is the model):

    begin(config, data, generator) -> State          a NamedTuple of tensors (or tuples of tensors), `images` [C, B, K, H, W] among them
    step(state, meeting, config) -> (State, Scalars) one step; Scalars: name -> [C] or [], the columns of the curve and what the log says
    end_network(state, meeting, config) -> State     after the last step on a network
    finish(state, data, config, provenance) -> SyntheticSet

`config` is the resolved configuration of a set: `distill` holds what methods share, the section of the method's name its own. `meeting` is
what a step meets (udd.proxies.meeting). A coreset has `choose(config, data, device)` instead.
"""

from __future__ import annotations

from typing import Any

PROXIES, OWN, CHOOSES = "proxies", "own", "chooses"

# name: the networks that it meets: those trained on real images alone, its own, or none (it chooses real images)
METHODS = {
    "distill": PROXIES,  # udd.methods.udd: UDD, and IDC by another decode
    "dm": PROXIES,
    "dsa": OWN,
    "random": CHOOSES,
    "herding": CHOOSES,
    "forgetting": CHOOSES,
}


def module(method: str) -> str:
    """The module of a method."""
    if METHODS[method] == CHOOSES:
        return "udd.methods.coresets"
    return f"udd.methods.{'udd' if method == 'distill' else method}"


def modules(method: str, networks: str = "fresh") -> tuple[str, ...]:
    """The modules whose code counts for a set of a method: its own, and that of the networks that it meets."""
    if METHODS[method] == CHOOSES:
        return (module(method),)
    cached = METHODS[method] == PROXIES and networks == "cached"
    return (module(method), "udd.proxies.caching" if cached else "udd.proxies.fresh")


def meets_cache(config: dict[str, Any]) -> bool:
    """Whether a set of this configuration is made with cached networks. A method that has its own networks needs real images, and none of them."""
    return METHODS[config["method"]] == PROXIES and config["distill"]["networks"] == "cached"
