"""The sections of params.yaml: which keys they have, with defaults (udd/config/sections/*.yaml), and which
of them each method reads.

A method of its own section is a line in METHODS and a file in sections/; no other method's configuration changes by it.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from udd.errors import UserError

FOLDER = Path(__file__).with_name("sections")
SCHEMA = Path(__file__).with_name("params.schema.yaml")

# method: the sections that its sets are made by; `distill` is what all share that make images
METHODS: dict[str, tuple[str, ...]] = {
    "udd": ("distill", "udd"),
    "idc": ("distill", "idc"),
    "dm": ("distill",),
    "dsa": ("distill", "dsa"),
    "dd": ("distill", "dd"),
    "cafe": ("distill", "cafe"),
    "kip": ("distill", "kip"),
    "mtt": ("distill", "mtt"),
    "dance": ("distill", "dance"),
    "ncfm": ("distill", "ncfm"),
    "udd_features": ("distill", "udd", "udd_features"),
    "random": (),
    "herding": ("coreset",),
    "forgetting": ("coreset",),
    "imported": ("imported",),
    "full": (),
}
CORESETS = ("random", "herding", "forgetting")  # methods that choose real images, IPC a class or a multiple of it
# Methods that train networks of their own on the synthetic set, or none: no cache, but real images
OWN_NETWORKS = ("dsa", "dd", "cafe", "kip")
CACHED_ONLY = ("mtt", "dance", "ncfm")  # methods that take weights from cached networks
TRAJECTORIES = ("mtt",)  # of these, methods that follow a network over `expert_ages` of its ages
# Methods whose step is Algorithm 1's (udd.objectives.matching): its loops have formulas, and its images may go in parts
MATCHING = ("udd", "idc")
GRIDS = ("idc", "dance", "ncfm")  # methods whose images are grids of `factor` x `factor` training images
NOTHING_REAL = ("mtt",)  # methods that look at no real image, only at networks that did
NO_NETWORK = ("kip",)  # methods that have no network of finite width
LEARNED_RATE = ("dd", "mtt")  # methods that learn a rate with the set, for its evaluation
BLOCKS = {"convnet3": 3, "vgg11": 8, "alexnet": 5, "resnet18": 9, "resnetap10": 5}  # whose maps can be searched
OF_RESULTS = ("evaluate", "utilization")  # of no method: how sets are measured


def distils(method: str) -> bool:
    """Whether a method makes images: the others choose real ones, or take all."""
    return "distill" in METHODS[method]


def takes_all(own: dict[str, Any]) -> bool:
    """Whether every window is trained on by a section `udd`, so that there is nothing to search: policy `all`."""
    return own["policy"] == "all"


def names() -> list[str]:
    """The sections in the order of params.yaml."""
    found = [section for sections in METHODS.values() for section in sections]
    return list(dict.fromkeys([*found, *OF_RESULTS]))


@cache
def parsed(text: str) -> Any:
    """A text of YAML, read once and in C where PyYAML has that: in Python all sections take longer than most of what is
    asked of them. Not to be changed."""
    import yaml

    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def section(name: str) -> dict[str, Any]:
    """The JSON schema of a section."""
    path = FOLDER / f"{name}.yaml"
    found = deepcopy(parsed(path.read_text())) if path.exists() else None
    if not isinstance(found, dict) or not all(
        "default" in about for about in found.get("properties", {"": {}}).values()
    ):
        raise UserError(
            f"{path}: found no JSON schema with a default for each key, which method {name} reads; write one, as in "
            "dsa.yaml"
        )
    return found


def defaults(name: str) -> dict[str, Any]:
    """A section's keys with their defaults."""
    return {key: about["default"] for key, about in section(name)["properties"].items()}


def schema() -> dict[str, Any]:
    """The JSON schema of params.yaml: every section stands at the top, and in part in data sets, in variants (and there
    on a data set), and in all of these at an IPC."""
    whole = deepcopy(parsed(SCHEMA.read_text()))
    made = {name: section(name) for name in names()}
    whole["$defs"] |= made
    parts = {name: {"$ref": f"#/$defs/{name}"} for name in made}
    datasets, variants = (whole["properties"][kind]["additionalProperties"] for kind in ("datasets", "variants"))
    at_ipc = [next(iter(kind["patternProperties"].values())) for kind in (datasets, variants)]
    whole["properties"] |= parts
    datasets["properties"] |= parts
    for place in (*at_ipc, variants):
        place["properties"] |= {name: part for name, part in parts.items() if name != "utilization"}
    of_sections = {key: part for key, part in variants["properties"].items() if key in made}
    here = {
        "type": "object",
        "additionalProperties": False,
        "properties": of_sections,
        "patternProperties": variants["patternProperties"],
    }
    variants["properties"]["datasets"] |= {"additionalProperties": here}
    variants["properties"]["method"] |= {"enum": list(METHODS)}
    return whole
