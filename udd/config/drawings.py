"""What is measured and drawn beside the tables: which cells, from which files. Knows nothing of torch.

The reference networks of a data set are those, trained on its real training images, whose activations mUE,
the activation maps and the feature plots look at. They are trained once a data set
(`udd.evaluation.reference`), not once a cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

from udd.config import caches
from udd.config.plan import (
    DEFAULT_PROTOCOL,
    FULL,
    Cell,
    Params,
    dataset_config,
    distilled,
    made_as,
    maker,
    method,
    seeds,
    set_config,
    unique,
)
from udd.config.requested import ACCURACY_FIGURES, PAGES, cells

NOT_REFERENCE = ("intervals",)  # what changes the histogram, not the networks or its range
COST = "cost"  # the table that is ours
SPREAD = "spread"  # Fig. 8 needs no data
COLLECTED = ("accuracy.csv", "utilization.csv")  # what figures read of what udd.reports.collect writes
WITH_DATA = ("maps", "features", "gallery")
WITH_REFERENCE = ("maps", "features")


class Drawing(NamedTuple):
    """One figure file: a figure's name, its data set and IPC (both empty for `spread`)."""

    name: str
    dataset: str = ""
    ipc: int | str = ""

    @property
    def stem(self) -> str:
        """Its file's name, without .png or .pdf."""
        return f"{self.name}-{self.dataset}-ipc{self.ipc}" if self.dataset else self.name


def reference_config(params: Params, dataset: str) -> dict[str, Any]:
    """The resolved configuration of a data set's reference networks."""
    values = params["utilization"] | params["datasets"][dataset].get("utilization", {})
    return {
        "dataset": dataset_config(params, dataset),
        "utilization": {key: value for key, value in values.items() if key not in NOT_REFERENCE},
    }


def real_cells(params: Params, dataset: str) -> list[Cell]:
    """The cell of the real images: the variant whose method is `full`, if there is one."""
    return [Cell(dataset, FULL, variant) for variant in params["variants"] if method(params, variant) == "full"][:1]


def measured_cells(params: Params) -> list[Cell]:
    """The cells whose mUE is measured: those that the utilisation figure asks for, and the real
    images of their data sets."""
    request = params["figures"].get("utilization")
    if request is None:
        return []
    real = [cell for dataset in request["datasets"] for cell in real_cells(params, dataset)]
    return unique(cells(params, request) + real)


def measurements(params: Params) -> list[tuple[Cell, int]]:
    """(cell, distillation seed) of every file below results/utilization; its path is `measurement_path`."""
    return [(cell, seed) for cell in measured_cells(params) for seed in seeds(params, cell)]


def measurement_path(cell: Cell, seed: int) -> str:
    """A measurement's file below results/utilization."""
    return f"{cell.folder}/seed{seed}.json"


def drawings(params: Params) -> list[Drawing]:
    """Every figure that params.yaml asks for: one a data set and IPC, and `spread`, which is always
    drawn. Pages are no drawings."""
    figures = [(name, request) for name, request in params["figures"].items() if name != PAGES]
    return [
        *(
            Drawing(name, dataset, ipc)
            for name, request in figures
            for dataset in request["datasets"]
            for ipc in request["ipc"]
        ),
        Drawing(SPREAD),
    ]


def drawn_cells(params: Params, drawing: Drawing) -> list[Cell]:
    """The cells that a drawing shows, in order; those of the full data set are left out."""
    if drawing.name == SPREAD:
        return []
    request = params["figures"][drawing.name] | {"datasets": [drawing.dataset], "ipc": [drawing.ipc]}
    return [cell for cell in cells(params, request) if cell.ipc != FULL]


def inputs(params: Params, drawing: Drawing) -> list[str]:
    """The files below results that a drawing needs."""
    if drawing.name == "utilization":
        return list(COLLECTED)
    if drawing.name == "schedule":  # beside the accuracies, how long the sets took
        curved = [cell for cell in drawn_cells(params, drawing) if cell.variant in distilled(params)]
        return [
            "accuracy.csv",
            *(
                shown_file(params, "curves", cell, seed)
                for cell in curved
                for seed in shown_seeds(params, drawing.name, cell)
            ),
        ]
    shown = [(cell, seed) for cell in drawn_cells(params, drawing) for seed in shown_seeds(params, drawing.name, cell)]
    found = [shown_file(params, drawing.name, *each) for each in shown]
    if drawing.name in WITH_DATA:
        found.append(f"data/{drawing.dataset}.json")
    return found + ([reference_path(drawing.dataset)] if drawing.name in WITH_REFERENCE else [])


def shown_seeds(params: Params, name: str, cell: Cell) -> list[int]:
    """The distillation seeds that a figure shows: all of them as curves, else the first."""
    return seeds(params, cell) if name == "curves" else seeds(params, cell)[:1]


def shown_file(params: Params, name: str, cell: Cell, seed: int) -> str:
    """The file of a cell, below results, that a figure reads: its loss curve or its set."""
    place = f"{made_as(params, cell).folder}/seed{seed}"
    return f"curves/{place}.csv" if name == "curves" else f"synthetic/{place}.safetensors"


def reference_path(dataset: str) -> str:
    """The file of a data set's reference networks, below results."""
    return f"proxies/{dataset}.safetensors"


def with_reference(params: Params) -> list[str]:
    """The data sets that need reference networks."""
    asking = [
        params["figures"][name]["datasets"] for name in ("utilization", *WITH_REFERENCE) if name in params["figures"]
    ]
    return unique(dataset for datasets in asking for dataset in datasets)


def table_config(params: Params, name: str) -> dict[str, Any]:
    """All that `udd.reports.tables` needs beside files to make a table: its request, which variants are the full data;
    what is planned of cost."""
    variants = params["tables"][name]["variants"]
    full = [variant for variant in variants if method(params, variant) == "full"]
    config = {"table": name, "request": params["tables"][name], "full": full}
    config |= (
        multiples(params, variants)
        | labels(params, variants, params["tables"][name]["datasets"])
        | without(params, params["tables"][name])
    )
    return config | {"costs": [cost_config(params, cell) for cell in timed(params, name)]} if name == COST else config


def without(params: Params, request: dict[str, Any]) -> dict[str, Any]:
    """The [data set, IPC, variant] of those asked for that a data set leaves out at an IPC, where
    any are: nobody runs them."""
    names, full = (
        cells(params, request),
        [variant for variant in request["variants"] if method(params, variant) == "full"],
    )
    every = [
        Cell(*each) for each in product(request["datasets"], request["ipc"], request["variants"]) if each[2] not in full
    ]
    found = [[cell.dataset, str(cell.ipc), cell.variant] for cell in every if cell not in names]
    return {"without": found} if found else {}


def multiples(params: Params, variants: Iterable[str]) -> dict[str, Any]:
    """Of those of some variants that are coresets of more than IPC images a class, where any are: variant
    -> (method, how many times IPC)."""
    found = {
        name: [method(params, name), times]
        for name in variants
        if (times := params["variants"][maker(params, name)].get("times"))
    }
    return {"times": found} if found else {}


def labels(params: Params, variants: Iterable[str], datasets: Iterable[str]) -> dict[str, Any]:
    """The labels of those variants and data sets that have one, each kind where any has: name -> how it is called."""
    named = {"labels": (params["variants"], variants), "dataset_labels": (params["datasets"], datasets)}
    found = {
        kind: {name: label for name in names if (label := declared[name].get("label"))}
        for kind, (declared, names) in named.items()
    }
    return {kind: called for kind, called in found.items() if called}


def timed(params: Params, table: str) -> list[Cell]:
    """The cells of which a table says what their sets took: of that of cost those that are
    distilled, of the others none."""
    return (
        [cell for cell in cells(params, params["tables"][table]) if cell.variant in distilled(params)]
        if table == COST
        else []
    )


def cost_config(params: Params, cell: Cell) -> dict[str, Any]:
    """What is planned of a cell that costs something: its steps, where its seeds' curves lie, and which networks of
    which cache its sets meet."""
    config = set_config(params, cell, 0)
    cache, networks = (caches.cache_name(config), caches.networks(config)) if caches.meets_cache(config) else ("", 0)
    steps = config["distill"]["outer"] * config["distill"]["inner"]
    place = {
        "folder": made_as(params, cell).folder,
        "seeds": seeds(params, cell),
        "steps": steps,
        "cache": cache,
        "networks": networks,
    }
    return cell._asdict() | place


def figure_config(params: Params, drawing: Drawing) -> dict[str, Any]:
    """All that `udd.reports.figures` needs beside the files of `inputs`: the sets shown; for figures of
    accuracies how they were evaluated."""
    config: dict[str, Any] = {"figure": drawing.name, "dataset": drawing.dataset, "ipc": drawing.ipc}
    config["sets"] = [
        set_config(params, cell, seed)
        for cell in drawn_cells(params, drawing)
        for seed in shown_seeds(params, drawing.name, cell)
    ]
    shown = [made["variant"] for made in config["sets"]]
    config |= multiples(params, shown) | labels(params, shown, filter(None, [drawing.dataset]))
    if drawing.name == SPREAD:
        config["intervals"] = params["utilization"]["intervals"]
    if drawing.name in ACCURACY_FIGURES:
        request = params["figures"][drawing.name]
        config |= {
            "protocol": request.get("protocols", [DEFAULT_PROTOCOL])[0],
            "architecture": request.get("architectures", ["convnet3"])[0],
        }
    return config
