"""Reading and checking params.yaml: whatever is wrong is said in one line, before any work."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from udd.config.plan import changes, left_out
from udd.config.reading import expanded, read_mapping
from udd.config.sections import CORESETS, METHODS, defaults, distils, names, schema
from udd.errors import UserError


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
    """Return `params` if they follow the schema and make sense together: sections filled up with their defaults, without the tables and
    figures that are null, paths with ~ expanded.

    Raises UserError naming the key.
    """
    from jsonschema.exceptions import best_match

    for key, name in not_text(params):
        raise UserError(f"{source}: {key}: {name}")
    params = params | {kind: without_null(params[kind]) for kind in ("tables", "figures") if isinstance(params.get(kind), dict)}
    error = best_match(strict_validator()(schema()).iter_errors(params))
    if error is not None:
        raise UserError(f"{source}: {explain(error)}")
    params = params | {name: defaults(name) | (params.get(name) or {}) for name in names()}
    for key, problem in problems(params):
        raise UserError(f"{source}: {key}: {problem}")
    return params | {key: expanded(f"{source}: {key}", params[key]) for key in ("results", "data_root")}


def not_text(value: Any, place: str = "the file"):
    """Yield (place, problem) of keys that are no text, of which neither JSON nor the schema has any: a number where `ipc10` is meant."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict) and not isinstance(key, str):
            whole = isinstance(key, int) and not isinstance(key, bool)
            advice = f"for what differs at {key} images per class write ipc{key}; a name" if whole else "a key"
            yield place, f"found the key {key}, which YAML reads as {type(key).__name__}, expected text; {advice} stands in quotes: '{key}'"
        yield from not_text(inner, str(key) if place == "the file" else f"{place}.{key}")


def strict_validator() -> Any:
    """The validator of JSON schemas for which 1.0 is no integer: it would be no seed, path or count."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool))
    return extend(Draft202012Validator, type_checker=whole)


def without_null(requests: dict[str, Any]) -> dict[str, Any]:
    """The requests that are asked for: a file laid over params.yaml leaves a table out by setting it to null."""
    return {name: request for name, request in requests.items() if request is not None}


def suggestion(word: str, known: Sequence[str]) -> str:
    """What the user may have meant."""
    close = difflib.get_close_matches(str(word), list(known), 1)
    return f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(known)}"


def explain(error: Any) -> str:
    """A jsonschema error in one line: key, what was found, what was expected."""
    key = ".".join(str(part) for part in error.absolute_path) or "the file"
    found = error.instance
    if error.validator == "additionalProperties" and isinstance(found, dict):
        known, patterns = list(error.schema.get("properties", {})), error.schema.get("patternProperties", {})
        unknown = next(name for name in found if name not in known and not any(re.search(pattern, name) for pattern in patterns))
        elsewhere = [name for name in names() if key.split(".")[-1] in names() and unknown in defaults(name)]
        advice = f"it is one of section {' and of '.join(elsewhere)}" if elsewhere else suggestion(unknown, known)
        return f"unknown key '{unknown}' in {key}; {advice}"
    if error.validator == "enum":
        return f"{key}: found {found!r}; {suggestion(found, [str(value) for value in error.validator_value])}"
    if error.validator == "type" and isinstance(found, str) and looks_like_number(found):
        if error.validator_value == "integer":
            return f"{key}: found the text '{found}', expected a whole number; write it without quotes, as {float(found):.0f}"
        return f"{key}: found the text '{found}', expected a number; YAML needs a point: write {float(found):.1e}"
    return f"{key}: found {found!r}, expected {expectation(error)}" if error.validator != "required" else f"{key}: {error.message}"


def expectation(error: Any) -> str:
    """What a value should have been, in words, from the failing line of the schema."""
    words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than", "exclusiveMaximum": "less than"}
    words |= {
        "type": "a value of type",
        "pattern": "text that matches",
        "minItems": "a list no shorter than",
        "uniqueItems": "no repetition:",
        "maxLength": "characters at most:",
    }
    return f"{words.get(error.validator, error.validator)} {error.validator_value}"


def looks_like_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def problems(params: dict[str, Any]):
    """Yield (key, problem) for what no schema can say: unknown names, another method's section, more windows than there are."""
    yield from not_finite(params)
    yield from impossible_paths(params)
    yield from shared_sets(params)
    yield from repeated_labels(params["variants"])
    methods = {name: params["variants"].get(made.get("sets"), made).get("method", "udd") for name, made in params["variants"].items()}
    distilled = [name for name, method in methods.items() if distils(method)]
    for name, made in params["variants"].items():
        for place, part in parts(name, made):
            yield from unread_sections(place, methods[name], part)
        for dataset in made.get("datasets", {}).keys() - params["datasets"].keys():
            yield f"variants.{name}.datasets", f"'{dataset}' is not declared under datasets; {suggestion(dataset, list(params['datasets']))}"
        if "times" in made and methods[name] not in CORESETS:
            yield f"variants.{name}.times", f"the method of {name} is {methods[name]}, which takes no multiple of IPC; expected {', '.join(CORESETS)}"
    for kind in ("tables", "figures"):
        for name, request in params[kind].items():
            yield from unknown_names(params, f"{kind}.{name}", request)
    for name in params["figures"].get("curves", {}).get("variants", []):
        if name not in distilled and params["variants"][name].get("method") != "full":  # the full data set is left out of figures
            yield "figures.curves.variants", f"'{name}' has no loss, it is not distilled; name distilled variants"
    for key, name in left_out(params["datasets"]):
        if name not in params["variants"]:
            yield key, f"'{name}' is not declared under variants; {suggestion(name, list(params['variants']))}"
    for name, dataset in params["datasets"].items():
        if dataset["kind"] == "folder" and "size" not in dataset:
            yield f"datasets.{name}", "key 'size' is missing; a folder's images are resized to one side: give it in pixels"
        for variant, made in params["variants"].items():
            yield from too_many_windows(f"variants.{variant}", params["udd"], name, dataset, made)
    yield from repeated_operations(params)


def shared_sets(params: dict[str, Any]):
    """Yield what is wrong with variants that evaluate another's sets: these are for tables, and differ by `evaluate` alone."""
    variants = params["variants"]
    shared = {name: made["sets"] for name, made in variants.items() if "sets" in made}
    for name, of in shared.items():
        key = f"variants.{name}.sets"
        if of not in variants:
            yield key, f"'{of}' is not declared under variants; {suggestion(of, list(variants))}"
        elif of in shared:
            yield key, f"{of} has no sets of its own, it evaluates those of {shared[of]}; name that"
        for place, part in parts(name, variants[name]):
            for other in (other for other in part if other not in ("sets", "label", "evaluate", "datasets") and not other.startswith("ipc")):
                yield f"variants.{place}.{other}", f"{name} evaluates the sets of {of} and makes none; leave all out but evaluate and label"
    for kind, request in params["figures"].items():
        for name in (name for name in request["variants"] if name in shared):
            yield f"figures.{kind}.variants", f"'{name}' has no sets of its own; name {shared[name]}, and {name} in a table"
    for key, left in left_out(params["datasets"]):
        for name in (name for name, of in shared.items() if of == left and (key, name) not in left_out(params["datasets"])):
            yield key, f"found {left} left out, whose sets {name} evaluates; leave {name} out as well"


def repeated_labels(variants: dict[str, Any]):
    """Yield the variants that are called as one before them: in a table nobody could tell them apart."""
    known: dict[str, str] = {}
    for name, label in ((name, made["label"]) for name, made in variants.items() if "label" in made):
        if known.setdefault(label, name) != name:
            yield f"variants.{name}.label", f"found '{label}', which is also that of {known[label]}; give each its own"


def parts(place: str, made: dict[str, Any]):
    """Yield (place, part): a variant, and what it changes at an IPC and on a data set."""
    yield place, made
    yield from ((f"{place}.{key}", inner) for key, inner in made.items() if key.startswith("ipc"))
    for name, inner in made.get("datasets", {}).items():
        yield from parts(f"{place}.datasets.{name}", inner)


def impossible_paths(params: dict[str, Any]):
    """Yield the paths that cannot be: Snakemake reads braces in a file's name as wildcards, and quotes end its commands."""
    if set("{}'\"\\\n") & set(params["results"]):
        yield "results", f"found {params['results']!r}, expected a folder's name without braces, quotes, backslashes and line breaks"
    for name, dataset in params["datasets"].items():
        if set("~$") & set(dataset.get("path", "")[:1]):
            yield f"datasets.{name}.path", f"found '{dataset['path']}', expected a path below data_root; put a link there and name that"


def not_finite(value: Any, key: str = ""):
    """Yield the numbers that are infinite or none: configurations travel as JSON, which has no such numbers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from not_finite(inner, f"{key}.{name}" if key else str(name))
    if isinstance(value, float) and not math.isfinite(value):
        yield key, f"found {value}, expected a finite number"


def unknown_names(params: dict[str, Any], key: str, request: dict[str, Any]):
    """Yield the names in a request that are declared nowhere."""
    for field in ("datasets", "variants"):
        for name in request[field]:
            if name not in params[field]:
                yield f"{key}.{field}", f"'{name}' is not declared under {field}; {suggestion(name, list(params[field]))}"
    for name in request.get("protocols", []):
        if name not in params["protocols"]:
            yield f"{key}.protocols", f"'{name}' is not declared under protocols; {suggestion(name, list(params['protocols']))}"


def unread_sections(place: str, method: str, made: dict[str, Any]):
    """Yield the sections of a variant, or of what it changes at an IPC, that its method never reads."""
    of_methods = {section for sections in METHODS.values() for section in sections}
    for section in of_methods & made.keys() - set(METHODS[method]):
        read = ", ".join(METHODS[method]) or "no section"
        yield f"variants.{place}.{section}", f"the method is {method}, which reads {read}; leave it out, or give another method"


def too_many_windows(key: str, defaults: dict[str, Any], name: str, dataset: dict[str, Any], variant: dict[str, Any]):
    """Yield if P > N on a data set at some IPC: more windows to be chosen than there are candidates."""
    there = dataset | variant | variant.get("datasets", {}).get(name, {})
    for ipc in ("", *sorted(key.removeprefix("ipc") for key in there if key.startswith("ipc"))):
        udd = defaults | changes(dataset, "udd", ipc) | changes(variant, "udd", ipc, name)
        candidates = 4 * len(udd["scales"])
        if udd["policy"] != "all" and udd["selected"] > candidates:
            yield (
                f"{key}{chosen_at(name, ipc, variant)}.udd.selected",
                f"P = {udd['selected']} windows of N = {candidates} candidates; lower selected or add scales",
            )


def chosen_at(dataset: str, ipc: str, variant: dict[str, Any]) -> str:
    """Where in a variant P stands that holds on a data set at an IPC: behind its name, '' if at the top."""
    there, at_ipc = f".datasets.{dataset}", f".ipc{ipc}"
    on_it = variant.get("datasets", {}).get(dataset, {})
    places = {there + at_ipc: on_it.get(f"ipc{ipc}", {}), there: on_it, at_ipc: variant.get(f"ipc{ipc}", {})}
    return next((place for place, part in places.items() if "selected" in part.get("udd", {})), "")


def repeated_operations(value: Any, key: str = ""):
    """Yield the lists of augmentation that have colour, or a cutout, in two of their entries: of one draw there is one of each."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        place = f"{key}.{name}" if key else str(name)
        yield from repeated_operations(inner, place)
        if str(name).endswith("augment"):
            for operation in ("color", "cutout"):
                if sum(operation in entry.split("|") for entry in inner) > 1:
                    yield place, f"found {operation} in two entries of {inner}, expected it in one at most"
