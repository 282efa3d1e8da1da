"""What the rules give their jobs: configurations, digests of code, inputs, options."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Callable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from udd import evaluation
from udd.config import caches, plan, requested
from udd.config import drawings as analysis
from udd.config.fitting import check_fit, check_images, check_rate, check_views
from udd.config.plan import Params, canonical
from udd.data.sources import fingerprint
from udd.errors import UserError
from udd.files import read_json
from udd.methods import modules
from udd.provenance import code_digest
from udd.workflow.paths import cell, record, under


def set_config(params: Params, wildcards: Any) -> str:
    """The configuration of a set, as a rule's one parameter: Snakemake compares parameters as an
    unordered set of values. Ends Snakemake with one line if it does not fit."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    or_exit(check_fit, config)
    if least := smallest_class(
        canonical(config["dataset"]), under(params["results"])(f"data/{wildcards.dataset}.json")
    ):
        or_exit(check_images, params, config, *least)
    return canonical(config)


def or_exit(check: Callable[..., None], *asked: Any) -> None:
    """Check what is planned, be it of a table or named on the command line; end Snakemake with one line if it is
    refused."""
    try:
        check(*asked)
    except UserError as error:
        sys.exit(f"error: {error}")


@cache
def smallest_class(dataset: str, manifest: str) -> tuple[int, str] | None:
    """How many training images a data set's smallest class has, and its name, by the manifest; None where there is none
    of this configuration, or the raw data are others by now, and the manifest will be, too."""
    config = json.loads(dataset)
    try:
        found = read_json(manifest)
        if not isinstance(found, dict) or found.get("config") != config:
            return None
        if fingerprint(config, Path(os.environ["UDD_DATA"]), Path(manifest))[1]:
            return None
        return min(zip(found["counts"]["train"], found["classes"], strict=True))
    except (UserError, KeyError, TypeError, ValueError):  # absent or damaged: the rule `data` will say
        return None


def imported_file(params: Params, wildcards: Any) -> str:
    """The file that an imported set is taken from; ends Snakemake with one line if there is none."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    or_exit(check_fit, config)
    path = os.path.join(os.environ["UDD_DATA"], plan.imported_file(config))
    if not os.path.isfile(path):
        of = config["dataset"]
        named = os.path.join(os.environ["UDD_DATA"], of["path"]) if "path" in of else of["kind"]
        sys.exit(
            f"error: {config['variant']}: no file {path}; write it by udd import FILE --as FORMAT --dataset {named} "
            f"--out {path}, or add {config['variant']} to datasets.{wildcards.dataset}.ipc{wildcards.ipc}.without"
        )
    return path


def raw_files(params: Params, dataset: str) -> str:
    """What a data set's raw files are now; what has become of them is said once a start."""
    manifest = under(params["results"])(f"data/{dataset}.json")
    return found_raw(canonical(plan.dataset_config(params, dataset)), os.environ["UDD_DATA"], manifest)


@cache
def found_raw(config: str, root: str, manifest: str) -> str:
    """`raw_files` by a data set's configuration, data root and manifest."""
    files, said = fingerprint(json.loads(config), Path(root), Path(manifest))
    if said:
        print(said, file=sys.stderr)
    return files


def cache_config(params: Params, wildcards: Any) -> str:
    """The configuration of a set that meets the cache which a rule's wildcards name: no more of it than decides a
    network, so that a cache grows."""
    name = f"{wildcards.dataset}/{wildcards.cache}"
    met = caches.named(params, name)
    if met is None:
        raise UserError(
            f"results/cache/{name}: no set of a variant on {wildcards.dataset} meets this cache; ask for a set, which "
            "brings its own"
        )
    return canonical(caches.cache_config(met))


def cache_of(params: Params, wildcards: Any) -> list[str]:
    """The records of the cached networks that a set meets, if it does. The networks themselves may be gone: a set that
    is made brings them back."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    or_exit(check_fit, config)  # before networks are made that it cannot meet
    members = range(caches.networks(config)) if caches.meets_cache(config) else ()
    return [
        under(params["results"])(f"{caches.RECORDS}/{caches.cache_name(config)}/network{member}.json")
        for member in members
    ]


def cache_option(params: Params, wildcards: Any) -> str:
    """`--cache FOLDER` where a set meets a cache."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    return (
        f"--cache {shlex.quote(under(params['results'])(f'cache/{caches.cache_name(config)}'))}"
        if caches.meets_cache(config)
        else ""
    )


def method_code(params: Params, wildcards: Any) -> str:
    """The digests of the code that a set is made by: its method's, and its networks'."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    return " ".join(code_digest(module) for module in modules(config))


def evaluation_config(params: Params, wildcards: Any) -> str:
    """The configuration of a record, with its networks."""
    config = plan.evaluation_config(params, record(wildcards))
    or_exit(check_rate, config, wildcards.variant)
    or_exit(check_views, config, wildcards.variant)
    return canonical(config | {"networks": sorted(params["seeds"]["evaluate"])})


def evaluation_code(params: Params, wildcards: Any) -> str:
    """The digests of the code that measures a set."""
    return evaluation.code(plan.evaluation_config(params, record(wildcards)))


def utilization_config(params: Params, wildcards: Any) -> str:
    """The configuration of a measurement of mUE."""
    return canonical(plan.utilization_config(params, cell(wildcards), int(wildcards.seed)))


def measured(params: Params, wildcards: Any) -> dict[str, str]:
    """The inputs of what measures a set: the data set's manifest and the set, of which the full data set has none."""
    results = under(params["results"])
    files = {"manifest": results(f"data/{wildcards.dataset}.json")}
    if wildcards.ipc != plan.FULL:
        files["set"] = results(analysis.shown_file(params, "set", cell(wildcards), int(wildcards.seed)))
    return files


def set_option(files: Any) -> str:
    """`--set FILE` where the rule has a set."""
    return f"--set {shlex.quote(files.set)}" if "set" in dict(files.items()) else ""


def collected(params: Params, request: str) -> list[str]:
    """The records and measurements, below results, that one table or figure shows."""
    wanted = requested.only(params, request)
    measured = [f"utilization/{analysis.measurement_path(*found)}" for found in analysis.measurements(wanted)]
    return [f"accuracy/{found.path}" for found in requested.all_records(wanted)] + measured


def timed(params: Params, table: str) -> list[str]:
    """The curves, below results, from which a table says what sets took; what lies beside them is of the same jobs."""
    return [
        analysis.shown_file(params, "curves", cell, seed)
        for cell in analysis.timed(params, table)
        for seed in plan.seeds(params, cell)
    ]


def drawing(params: Params, stem: str) -> analysis.Drawing:
    """The drawing whose files are called `stem`."""
    return next(found for found in analysis.drawings(params) if found.stem == stem)


def drawn_from(params: Params, stem: str) -> list[str]:
    """The files below results that a drawing needs; of the collected ones, its own."""
    drawn = drawing(params, stem)
    needed = analysis.inputs(params, drawn)
    return [f"collected/{drawn.name}/{path}" if path in analysis.COLLECTED else path for path in needed]


def page_of(params: Params, wildcards: Any) -> dict[str, str]:
    """The inputs of a set's page: the set, the evaluation that `figures.pages` asks for (else the first that anything
    asks for, else the usual one), and its losses if it is distilled."""
    made, seed, results = cell(wildcards), int(wildcards.seed), under(params["results"])
    asked = (found for found in requested.pages(params) if (found.cell, found.seed) == (made, seed))
    planned = (found for found in requested.all_records(params) if (found.cell, found.seed) == (made, seed))
    shown = next(chain(asked, planned), plan.Record(made, seed, plan.DEFAULT_PROTOCOL, "convnet3"))
    files = {
        "set": results(analysis.shown_file(params, requested.PAGES, made, seed)),
        "record": results(f"accuracy/{shown.path}"),
    }
    return files | (
        {"curve": results(analysis.shown_file(params, "curves", made, seed))}
        if made.variant in plan.distilled(params)
        else {}
    )


def page_options(params: Params, wildcards: Any, files: Any) -> str:
    """`--record=FILE --curve=FILE --label=LABEL --dataset-label=LABEL`, the last three where there is one."""
    labels = {
        "label": params["variants"][wildcards.variant].get("label"),
        "dataset-label": params["datasets"][wildcards.dataset].get("label"),
    }
    options = {name: said for name, said in (dict(files.items()) | labels).items() if name != "set" and said}
    return " ".join(f"--{name}={shlex.quote(said)}" for name, said in options.items())


def digest(folder: Path) -> str:
    """The digest (16 hexadecimal digits) of the files in a folder: a parameter that changes when one of them
    does, wherever the folder is."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def reported(kind: str, wildcard: str, form: str) -> dict[str, Any]:
    """Where `snakemake --report` shows a rule's output, and its caption. Files with the
    same labels would hide each other."""
    return {
        "caption": f"../report/{kind}.rst",
        "category": f"{kind.capitalize()}s",
        "labels": {kind: f"{{{wildcard}}}", "file": form},
    }


def reported_set(form: str) -> dict[str, Any]:
    """The same for a file about one set."""
    labels = {"data set": "{dataset}", "IPC": "{ipc}", "variant": "{variant}", "seed": "{seed}", "file": form}
    return {"caption": "../report/page.rst", "category": "Pages of sets", "labels": labels}
