"""params.yaml -> cells -> resolved configurations. Knows nothing of torch or Snakemake.

A *cell* is (data set, IPC, variant). A *set* is a cell and a distillation seed; a *record* is a set evaluated by a
protocol on an architecture, with some networks. Each has one path and one resolved configuration: the defaults <- its
data set's (<- those at its IPC) <- its variant's (<- those at its IPC <- those on its data set (<- those at its IPC)).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from udd.config.reading import expanded
from udd.config.sections import METHODS, distils

Params = dict[str, Any]
DEFAULT_PROTOCOL = "idc"
ACCURACY_FIGURES = ("utilization", "schedule")  # those that show evaluations
PAGES = "pages"  # of figures: a page of each set
FULL = "all"  # the IPC of the full data set


class Cell(NamedTuple):
    """One way to make a set: a data set's name, images per class ('all' for the full data set) and a variant's name."""

    dataset: str
    ipc: int | str
    variant: str

    @property
    def folder(self) -> str:
        """The cell's place below each folder of results."""
        return f"{self.dataset}/ipc{self.ipc}/{self.variant}"


class Record(NamedTuple):
    """The evaluations of one set by one protocol on one architecture: as many networks as there are seeds, in one
    file."""

    cell: Cell
    seed: int
    protocol: str
    architecture: str

    @property
    def path(self) -> str:
        """The record's file below results/accuracy."""
        return f"{self.cell.folder}/seed{self.seed}/{self.protocol}/{self.architecture}.json"


def canonical(config: Any) -> str:
    """The one spelling of a configuration: JSON with sorted keys and no spaces."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"))


def maker(params: Params, variant: str) -> str:
    """The variant whose sets a variant shows: its own, or by `sets: NAME` another's, which it evaluates
    otherwise; so they are made once."""
    return params["variants"][variant].get("sets", variant)


def method(params: Params, variant: str) -> str:
    """The method of a variant, one of udd.config.sections.METHODS."""
    return params["variants"][maker(params, variant)].get("method", "udd")


def cells(params: Params, request: dict[str, Any]) -> list[Cell]:
    """The cells that a table or figure asks for, in its order. The full data set has no IPC: one cell a data set."""
    found = {}
    for dataset in request["datasets"]:
        for ipc in request["ipc"]:
            without = params["datasets"][dataset].get(f"ipc{ipc}", {}).get("without", [])
            for variant in (name for name in request["variants"] if name not in without):
                found[Cell(dataset, FULL if method(params, variant) == "full" else ipc, variant)] = None
    return list(found)


def left_out(datasets: dict[str, Any]) -> list[tuple[str, str]]:
    """(key, variant) of each cell that data sets leave out at an IPC."""
    at_ipc = [
        (f"datasets.{name}.{key}", here)
        for name, dataset in datasets.items()
        for key, here in dataset.items()
        if key.startswith("ipc")
    ]
    return [(f"{key}.without", variant) for key, here in at_ipc for variant in here.get("without", [])]


def seeds(params: Params, cell: Cell) -> list[int]:
    """The distillation seeds of a cell: those of params.yaml, or 0 alone for the full data set, of which there is
    one."""
    return [0] if cell.ipc == FULL else params["seeds"]["distill"]


def protocols(request: dict[str, Any], cell: Cell) -> list[str]:
    """The protocols by which a request evaluates a cell."""
    return ["epochs300"] if cell.ipc == FULL else request.get("protocols", [DEFAULT_PROTOCOL])


def records(params: Params, request: dict[str, Any]) -> list[Record]:
    """The evaluations that a table or figure asks for."""
    return [
        Record(cell, seed, protocol, architecture)
        for cell in cells(params, request)
        for protocol in protocols(request, cell)
        for architecture in request.get("architectures", ["convnet3"])
        for seed in seeds(params, cell)
    ]


def requests(params: Params) -> dict[str, dict[str, Any]]:
    """All requests by name: `table/main`, `figure/maps`, ..."""
    tables = {f"table/{name}": request for name, request in params["tables"].items()}
    return tables | {f"figure/{name}": request for name, request in params["figures"].items()}


def unique(items: Iterable) -> list:
    """The items without repetition, in order."""
    return list(dict.fromkeys(items))


def all_cells(params: Params) -> list[Cell]:
    """Every cell that some table or figure asks for, once."""
    return unique(cell for request in requests(params).values() for cell in cells(params, request))


def pages(params: Params) -> list[Record]:
    """What the pages of sets show: one evaluation a set, by the first protocol and architecture of their request. The
    full data set has no page."""
    request = params["figures"].get(PAGES)
    first = {key: request[key][:1] for key in ("protocols", "architectures") if key in request} if request else {}
    return [record for record in records(params, request | first) if record.cell.ipc != FULL] if request else []


def all_records(params: Params) -> list[Record]:
    """Every evaluation that some table, a figure of accuracies or a page asks for, once. The other
    figures look at sets alone."""
    tables, figures = params["tables"].values(), params["figures"].items()
    asking = [*tables, *(request for name, request in figures if name in ACCURACY_FIGURES)]
    return unique([*(record for request in asking for record in records(params, request)), *pages(params)])


def merged(params: Params, section: str, cell: Cell) -> dict[str, Any]:
    """A section's values for a cell: the defaults <- its data set's <- its variant's, as `changes` has them; without
    flips where the data set's images are not to be mirrored."""
    dataset, found = params["datasets"][cell.dataset], dict(params[section])
    for part in (dataset, params["variants"][cell.variant]):
        found = laid(found, changes(part, section, cell.ipc, cell.dataset))
    if dataset.get("flip", True):
        return found
    return {key: unmirrored(value) if key.endswith("augment") else value for key, value in found.items()}


def changes(part: dict[str, Any], section: str, ipc: int | str, dataset: str = "") -> dict[str, Any]:
    """What a data set, or a variant on a data set, changes of a section at so many images per class."""
    found = laid(part.get(section, {}), part.get(f"ipc{ipc}", {}).get(section, {}))
    there = part.get("datasets", {}).get(dataset)
    return found if there is None else laid(found, changes(there, section, ipc))


def laid(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A section's values with others over them. Of a rate and a move of the pixels, and of epochs and a rule for them,
    that one is in force which is written last."""
    moved = {"image_move": 0.0} if "image_lr" in over and "image_move" in under else {}
    timed = {"epochs_by_images": []} if "epochs" in over and "epochs_by_images" in under else {}
    return under | moved | timed | over


def unmirrored(operations: list[str]) -> list[str]:
    """Operations of augmentation without `flip`, alone or as one of several."""
    kept = ("|".join(name for name in operation.split("|") if name != "flip") for operation in operations)
    return [operation for operation in kept if operation]


CLUSTERS = ("real_batch", "cluster_every")  # keys of `distill` that say nothing where real batches are random
DATA_KEYS = ("kind", "path", "size", "classes", "depth", "background")  # of a data set: what decides its pixels


def dataset_config(params: Params, dataset: str) -> dict[str, Any]:
    """What udd.data needs to make a data set: name and kind, and the other keys where given."""
    declared = params["datasets"][dataset]
    return {"name": dataset} | {key: declared[key] for key in DATA_KEYS if key in declared}


def made_as(params: Params, cell: Cell) -> Cell:
    """The cell whose sets a cell shows."""
    return cell._replace(variant=maker(params, cell.variant))


def set_config(params: Params, cell: Cell, seed: int) -> dict[str, Any]:
    """The resolved configuration of one synthetic set, coreset, or the full data set, by the
    variant that it is made as."""
    cell = made_as(params, cell)
    how, times = method(params, cell.variant), params["variants"][cell.variant].get("times")
    config = {
        "dataset": dataset_config(params, cell.dataset),
        "ipc": cell.ipc,
        "variant": cell.variant,
        "seed": seed,
        "method": how,
    }
    config |= {"times": times} if times else {}
    return config | {section: read_keys(merged(params, section, cell)) for section in METHODS[how]}


def images_a_class(config: dict[str, Any]) -> int:
    """The images that a set of a resolved configuration stores of each class: IPC, or a coreset's multiple of it."""
    return config["ipc"] * config.get("times", 1)


def read_keys(section: dict[str, Any]) -> dict[str, Any]:
    """A section's keys without those of a cache where networks are fresh, of clusters where real batches
    are random, and of the two rules of the pixels' rate the one that is not in force: an edit of these is
    none of such a set's business."""
    cached, random = section.get("networks") == "cached", section.get("real_batch") == "random"
    idle = ("image_lr" if section.get("image_move") else "image_move", *(CLUSTERS if random else ()))
    return {
        key: value for key, value in section.items() if (cached or not key.startswith("cache_")) and key not in idle
    }


def evaluation_config(params: Params, record: Record) -> dict[str, Any]:
    """The resolved configuration of a record: `evaluate` <- protocol <- data set <- variant, as `merged` has them.
    Epochs that a protocol asks for are before any rule for them."""
    protocol = params["protocols"][record.protocol]
    recipe = merged(params | {"evaluate": laid(params["evaluate"], protocol)}, "evaluate", record.cell)
    unruled = () if recipe["epochs_by_images"] and "epochs" not in protocol else ("epochs_by_images",)
    return {
        "set": set_config(params, record.cell, record.seed),
        "protocol": record.protocol,
        "architecture": record.architecture,
        "evaluate": {key: value for key, value in without_usual_rate(recipe).items() if key not in unruled},
    }


def without_usual_rate(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe of evaluation whose `rate` is said only where it is a set's own, so that no other record is made
    again."""
    return {key: value for key, value in recipe.items() if (key, value) != ("rate", "recipe")}


def distilled(params: Params) -> list[str]:
    """The variants whose sets are distilled, by whatever method."""
    return [name for name in params["variants"] if distils(method(params, name))]


def variants(params: Params, *methods: str) -> list[str]:
    """The variants whose sets are made by one of `methods`."""
    return [name for name in params["variants"] if method(params, name) in methods]


def makers(params: Params, names: Iterable[str]) -> list[str]:
    """Those of some variants that have sets of their own."""
    return [name for name in names if maker(params, name) == name]


def only(params: Params, request: str) -> Params:
    """The parameters with one table, or one figure, and what it names: an edit of
    anything else is none of its business."""
    kept = {
        kind: {name: asked for name, asked in params[kind].items() if name == request} for kind in ("tables", "figures")
    }
    asked = next(iter((kept["tables"] | kept["figures"]).values()))
    datasets = {name: params["datasets"][name] for name in asked["datasets"]}
    shown = [name for variant in asked["variants"] for name in (variant, maker(params, variant))]
    without = [found for _, name in left_out(datasets) for found in (name, maker(params, name))]
    wanted = [*shown, *variants(params, "full"), *without]
    named = {
        "datasets": datasets,
        "variants": {name: on(made, datasets) for name, made in params["variants"].items() if name in wanted},
    }
    return params | kept | named | {"evaluate": without_usual_rate(params["evaluate"])}


def on(variant: dict[str, Any], datasets: Iterable[str]) -> dict[str, Any]:
    """A variant with what it changes on these data sets, and on no other."""
    there = {name: made for name, made in variant.get("datasets", {}).items() if name in datasets}
    return {key: value for key, value in variant.items() if key != "datasets"} | ({"datasets": there} if there else {})


def utilization_config(params: Params, cell: Cell, seed: int) -> dict[str, Any]:
    """The resolved configuration of one measurement of mUE."""
    return {"set": set_config(params, cell, seed), "utilization": merged(params, "utilization", cell)}


def data_root(params: Params) -> Path:
    """Where raw data lies: the environment variable UDD_DATA, else params.yaml's data_root."""
    given = os.environ.get("UDD_DATA")
    return Path(expanded("UDD_DATA", given) if given else expanded("data_root", params["data_root"]))
