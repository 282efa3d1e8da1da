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
FULL = "all"  # the IPC of the full data set
SEED = "{seed}"  # in the name of an imported set's file


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


def seeds(params: Params, cell: Cell) -> list[int]:
    """The distillation seeds of a cell: those of params.yaml, or 0 alone where there is one set: of the full data set,
    and of a file that is named for all seeds."""
    if cell.ipc == FULL:
        return [0]
    made = made_as(params, cell)
    alone = method(params, made.variant) == "imported" and SEED not in merged(params, "imported", made)["file"]
    return [0] if alone else params["seeds"]["distill"]


def unique(items: Iterable) -> list:
    """The items without repetition, in order."""
    return list(dict.fromkeys(items))


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


def imported_file(config: dict[str, Any]) -> str:
    """The file of an imported set, below data_root."""
    found = config["imported"]["file"]
    for key, value in (("dataset", config["dataset"]["name"]), ("ipc", config["ipc"]), ("seed", config["seed"])):
        found = found.replace(f"{{{key}}}", str(value))
    return found


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


def utilization_config(params: Params, cell: Cell, seed: int) -> dict[str, Any]:
    """The resolved configuration of one measurement of mUE."""
    return {"set": set_config(params, cell, seed), "utilization": merged(params, "utilization", cell)}


def data_root(params: Params) -> Path:
    """Where raw data lies: the environment variable UDD_DATA, else params.yaml's data_root."""
    given = os.environ.get("UDD_DATA")
    return Path(expanded("UDD_DATA", given) if given else expanded("data_root", params["data_root"]))
