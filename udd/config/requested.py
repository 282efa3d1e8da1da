"""What the tables and figures of params.yaml ask for: cells, evaluations, pages. A *request* is one table, or one
figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from udd.config.plan import (
    DEFAULT_PROTOCOL,
    FULL,
    Cell,
    Params,
    Record,
    maker,
    method,
    seeds,
    unique,
    variants,
    without_usual_rate,
)

ACCURACY_FIGURES = ("utilization", "schedule")  # those that show evaluations
PAGES = "pages"  # of figures: a page of each set


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
