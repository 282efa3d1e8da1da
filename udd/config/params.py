"""Reading and checking params.yaml: whatever is wrong is said in one line, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from udd.config.problems import problems
from udd.config.reading import expanded, read_mapping
from udd.config.schema_errors import explain, strict_validator
from udd.config.sections import defaults, names, schema
from udd.errors import UserError

DEFAULTS = Path(__file__).parent / "defaults.yaml"  # params.yaml, as it comes with the package


def overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, mapping by mapping, as Snakemake's --configfile does."""
    both = dict(base)
    for key, value in over.items():
        both[key] = overlay(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both


def load(paths: Sequence[Path | str]) -> dict[str, Any]:
    """Read params.yaml and lay the other files over it; checked. Raises UserError in one line."""
    params: dict[str, Any] = {}
    for path in paths:
        params = overlay(params, read_mapping(path))
    return check(params, " + ".join(str(path) for path in paths))


def check(params: dict[str, Any], source: str = "params.yaml") -> dict[str, Any]:
    """Return `params` if they follow the schema and make sense together: sections filled up with their defaults,
    without the tables and figures that are null, paths with ~ expanded.

    Raises UserError naming the key.
    """
    from jsonschema.exceptions import best_match

    for key, name in not_text(params):
        raise UserError(f"{source}: {key}: {name}")
    params = params | {
        kind: without_null(params[kind]) for kind in ("tables", "figures") if isinstance(params.get(kind), dict)
    }
    error = best_match(strict_validator()(schema()).iter_errors(params))
    if error is not None:
        raise UserError(f"{source}: {explain(error)}")
    params = params | {name: defaults(name) | (params.get(name) or {}) for name in names()}
    for key, problem in problems(params):
        raise UserError(f"{source}: {key}: {problem}")
    return params | {key: expanded(f"{source}: {key}", params[key]) for key in ("results", "data_root")}


def not_text(value: Any, place: str = "the file"):
    """Yield (place, problem) of keys that are no text, of which neither JSON nor the schema has any: a
    number where `ipc10` is meant."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict) and not isinstance(key, str):
            whole = isinstance(key, int) and not isinstance(key, bool)
            advice = f"for what differs at {key} images per class write ipc{key}; a name" if whole else "a key"
            yield (
                place,
                f"found the key {key}, which YAML reads as {type(key).__name__}, expected text; {advice} stands in "
                f"quotes: '{key}'",
            )
        yield from not_text(inner, str(key) if place == "the file" else f"{place}.{key}")


def without_null(requests: dict[str, Any]) -> dict[str, Any]:
    """The requests that are asked for: a file laid over params.yaml leaves a table out by setting it to null."""
    return {name: request for name, request in requests.items() if request is not None}
