"""The rate at which networks are trained on a set: the recipe's, or (`rate: own`) the one
that was learned with the set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from udd.errors import UserError


def rated(recipe: dict[str, Any], metadata: dict[str, Any], name: str | Path) -> dict[str, Any]:
    """The recipe, with the rate of a set's metadata as its `lr` if it asks for that. Raises UserError, which
    names the set, if it holds none."""
    if recipe.get("rate", "recipe") == "recipe":
        return recipe
    own = metadata.get("rate")
    if own is None:
        advice = "mtt and dd learn one: give `rate: own` to their variants alone (variants.NAME.evaluate)"
        raise UserError(f"{name}: found no learned rate, expected one, because of rate: own; {advice}")
    if own <= 0:
        raise UserError(f"{name}: found the learned rate {own}, expected more than 0; evaluate it with rate: recipe")
    return recipe | {"lr": own}
