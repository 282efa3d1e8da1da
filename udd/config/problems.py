"""What no schema can say of params.yaml: unknown names, another method's section, more windows than there are."""

from __future__ import annotations

import math
from typing import Any

from udd.config.plan import changes
from udd.config.requested import left_out
from udd.config.schema_errors import suggestion
from udd.config.sections import CORESETS, METHODS, distils


def problems(params: dict[str, Any]):
    """Yield (key, problem), whatever comes first."""
    yield from not_finite(params)
    yield from not_ascending(params)
    yield from impossible_paths(params)
    yield from shared_sets(params)
    methods = {
        name: params["variants"].get(made.get("sets"), made).get("method", "udd")
        for name, made in params["variants"].items()
    }
    distilled = [name for name, method in methods.items() if distils(method)]
    for name, made in params["variants"].items():
        for place, part in parts(name, made):
            yield from unread_sections(place, methods[name], part)
        for dataset in made.get("datasets", {}).keys() - params["datasets"].keys():
            yield (
                f"variants.{name}.datasets",
                f"'{dataset}' is not declared under datasets; {suggestion(dataset, list(params['datasets']))}",
            )
        if "times" in made and methods[name] not in CORESETS:
            yield (
                f"variants.{name}.times",
                f"the method of {name} is {methods[name]}, which takes no multiple of IPC; expected "
                f"{', '.join(CORESETS)}",
            )
    for kind in ("tables", "figures"):
        for name, request in params[kind].items():
            yield from unknown_names(params, f"{kind}.{name}", request)
    for name in params["figures"].get("curves", {}).get("variants", []):
        # The full data set is left out of figures
        if name not in distilled and params["variants"][name].get("method") != "full":
            yield "figures.curves.variants", f"'{name}' has no loss, it is not distilled; name distilled variants"
    for key, name in left_out(params["datasets"]):
        if name not in params["variants"]:
            yield key, f"'{name}' is not declared under variants; {suggestion(name, list(params['variants']))}"
    for name, dataset in params["datasets"].items():
        if dataset["kind"] == "folder" and "size" not in dataset:
            yield (
                f"datasets.{name}",
                "key 'size' is missing; a folder's images are resized to one side: give it in pixels",
            )
        for variant, made in params["variants"].items():
            yield from too_many_windows(f"variants.{variant}", params["udd"], name, dataset, made)
    yield from repeated_operations(params)


def shared_sets(params: dict[str, Any]):
    """Yield what is wrong with variants that evaluate another's sets: these are for tables, and
    differ by `evaluate` alone."""
    variants = params["variants"]
    shared = {name: made["sets"] for name, made in variants.items() if "sets" in made}
    for name, of in shared.items():
        key = f"variants.{name}.sets"
        if of not in variants:
            yield key, f"'{of}' is not declared under variants; {suggestion(of, list(variants))}"
        elif of in shared:
            yield key, f"{of} has no sets of its own, it evaluates those of {shared[of]}; name that"
        for place, part in parts(name, variants[name]):
            for other in (
                other
                for other in part
                if other not in ("sets", "label", "evaluate", "datasets") and not other.startswith("ipc")
            ):
                yield (
                    f"variants.{place}.{other}",
                    f"{name} evaluates the sets of {of} and makes none; leave all out but evaluate and label",
                )
    for kind, request in params["figures"].items():
        for name in (name for name in request["variants"] if name in shared):
            yield (
                f"figures.{kind}.variants",
                f"'{name}' has no sets of its own; name {shared[name]}, and {name} in a table",
            )
    for key, left in left_out(params["datasets"]):
        for name in (
            name for name, of in shared.items() if of == left and (key, name) not in left_out(params["datasets"])
        ):
            yield key, f"found {left} left out, whose sets {name} evaluates; leave {name} out as well"


def parts(place: str, made: dict[str, Any]):
    """Yield (place, part): a variant, and what it changes at an IPC and on a data set."""
    yield place, made
    yield from ((f"{place}.{key}", inner) for key, inner in made.items() if key.startswith("ipc"))
    for name, inner in made.get("datasets", {}).items():
        yield from parts(f"{place}.datasets.{name}", inner)


def impossible_paths(params: dict[str, Any]):
    """Yield the paths that cannot be: Snakemake reads braces in a file's name as wildcards, and
    quotes end its commands."""
    if set("{}'\"\\\n") & set(params["results"]):
        yield (
            "results",
            f"found {params['results']!r}, expected a folder's name without braces, quotes, backslashes and line "
            "breaks",
        )
    for name, dataset in params["datasets"].items():
        path = dataset.get("path", "")
        if path.startswith(("/", "~")) or "$" in path:  # as udd.data refuses them, before anything is planned
            yield (
                f"datasets.{name}.path",
                f"found '{path}', expected a path relative to data_root (UDD_DATA); put a link there and name that",
            )


def not_finite(value: Any, key: str = ""):
    """Yield the numbers that are infinite or none: configurations travel as JSON, which has no such numbers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from not_finite(inner, f"{key}.{name}" if key else str(name))
    if isinstance(value, float) and not math.isfinite(value):
        yield key, f"found {value}, expected a finite number"


def not_ascending(value: dict[str, Any], key: str = ""):
    """Yield the rules of epochs whose bounds do not ascend: of those the first one that fits is taken."""
    for name, inner in value.items():
        place = f"{key}.{name}" if key else str(name)
        if name == "epochs_by_images" and [bound for bound, _ in inner] != sorted({bound for bound, _ in inner}):
            yield place, f"found {inner}, expected pairs [images, epochs] whose images ascend"
        elif isinstance(inner, dict):
            yield from not_ascending(inner, place)


def unknown_names(params: dict[str, Any], key: str, request: dict[str, Any]):
    """Yield the names in a request that are declared nowhere."""
    for field in ("datasets", "variants"):
        for name in request[field]:
            if name not in params[field]:
                yield (
                    f"{key}.{field}",
                    f"'{name}' is not declared under {field}; {suggestion(name, list(params[field]))}",
                )
    for name in request.get("protocols", []):
        if name not in params["protocols"]:
            yield (
                f"{key}.protocols",
                f"'{name}' is not declared under protocols; {suggestion(name, list(params['protocols']))}",
            )


def unread_sections(place: str, method: str, made: dict[str, Any]):
    """Yield the sections of a variant, or of what it changes at an IPC, that its method never reads."""
    of_methods = {section for sections in METHODS.values() for section in sections}
    for section in of_methods & made.keys() - set(METHODS[method]):
        read = ", ".join(METHODS[method]) or "no section"
        yield (
            f"variants.{place}.{section}",
            f"the method is {method}, which reads {read}; leave it out, or give another method",
        )


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
    """Yield the lists of augmentation that have colour, or a cutout, in two of their entries: of
    one draw there is one of each."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        place = f"{key}.{name}" if key else str(name)
        yield from repeated_operations(inner, place)
        if str(name).endswith("augment"):
            for operation in ("color", "cutout"):
                if sum(operation in entry.split("|") for entry in inner) > 1:
                    yield place, f"found {operation} in two entries of {inner}, expected it in one at most"
