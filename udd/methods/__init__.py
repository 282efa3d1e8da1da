"""One module a method, read beside its paper. The machinery (udd.runs) knows none by name; a new method is a module
here, and a line and a file of its keys in udd.config.sections.

A method's module has, with plain tensors (udd.methods.udd is the model):

    MEETS = PROXIES                                    # or OWN, or EXPERTS: the networks that its steps meet
    begin(config, data, generator) -> State            # a NamedTuple of tensors, with `images` [C, B, K, H, W]
    step(state, meeting, config) -> (State, Scalars)   # Scalars: name -> [C] or [], the columns of the curve
    end_network(state, meeting, config) -> State       # after the last step on a network
    finish(state, data, config, provenance) -> SyntheticSet

`config` is the resolved configuration of a set: `distill` holds what methods share, the section of the method's name
its own. `meeting` is what a step meets (udd.proxies.meeting). Random, herding and forgetting make no images: they
choose (udd.methods.coresets; of a multiple of IPC: udd.methods.times).
"""

import importlib
from typing import Any

from udd.config.caches import meets_cache
from udd.config.sections import distils

# Networks trained on real images alone (udd.proxies), the method's, or weights of cached ones
PROXIES, OWN, EXPERTS = "proxies", "own", "experts"


def name(method: str) -> str:
    """The module of a method."""
    return f"udd.methods.{method}" if distils(method) else "udd.methods.coresets"


def module(method: str) -> Any:
    """That module, imported."""
    return importlib.import_module(name(method))


def modules(config: dict[str, Any]) -> tuple[str, ...]:
    """The modules whose code counts for a set of this configuration: its method's, that of the networks that it meets,
    and of what chooses its start, its real batches and its rate."""
    own = name(config["method"])
    if not distils(config["method"]):
        return ("udd.methods.times" if "times" in config else own,)
    options = config["distill"]
    chosen = ("udd.proxies.clusters",) if options.get("real_batch") == "clusters" else ()
    begun = ("udd.synthetic.representative",) if options["init"] == "mix_clusters" else ()
    moved = ("udd.methods.rate",) if "image_move" in options else ()
    return (own, "udd.proxies.caching" if meets_cache(config) else "udd.proxies.fresh", *chosen, *begun, *moved)
