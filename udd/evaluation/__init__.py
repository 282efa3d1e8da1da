"""How good a set is: accuracy of networks trained on it, mUE, and the reference networks it looks through."""

from typing import Any

from udd.provenance import code_digest

TRAINING = "udd.evaluation.accuracy"
CHOSEN = "udd.evaluation.chosen"


def modules(config: dict[str, Any]) -> tuple[str, ...]:
    """The modules whose code counts for an evaluation of this configuration: of the training, of windows that change
    from epoch to epoch, and of the rate where it asks for the one that was learned with the set."""
    recipe = config["evaluate"]
    chosen = (CHOSEN,) if recipe.get("views", "all") in ("searched", "random") else ()
    rates = ("udd.evaluation.rates",) if recipe.get("rate", "recipe") == "own" else ()
    return (TRAINING, *chosen, *rates)


def code(config: dict[str, Any]) -> str:
    """The digests of the code that measures a set by this configuration."""
    return " ".join(code_digest(module) for module in modules(config))
