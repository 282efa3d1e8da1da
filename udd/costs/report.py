"""The estimate as a table, or as JSON: `udd estimate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from udd.command import Parser, add_common
from udd.config.fitting import check_cells
from udd.config.params import load
from udd.config.plan import Params, set_config, unique
from udd.config.requested import all_cells, only
from udd.costs.calibration import Pace, conditions, paces
from udd.costs.costs import Estimate, costs
from udd.costs.flops import flop
from udd.costs.schedule import eager, together
from udd.costs.sizes import sizes
from udd.costs.steps import Step
from udd.costs.workload import workloads
from udd.device import setup
from udd.errors import UsageError

MANY = 64  # images: the batch for which speeds are printed
NOTES = (
    "Jobs one after another; what exists already is counted too. Memory: tensors that live at a time; what libraries "
    "and the allocator\ntake comes on top."
)
KIP = (
    "KIP with kernel: convolutional takes far longer than said: products alone are counted, and it hardly has any "
    "(docs/cost.md)."
)
UNCOMPILED = (
    "Some jobs will compile their steps; the times are of steps that are not compiled. --compiled measures those that "
    "are (minutes, once)."
)


def asked(params: Params, table: str | None) -> Params:
    """The parameters of one table, or all. Raises UsageError if there is no such table."""
    if table is None:
        return params
    if table not in params["tables"]:
        raise UsageError(f"--table {table}: not in params.yaml; expected one of {', '.join(params['tables'])}")
    return only(params, table)


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them: 12 s, 3.4 min, 5.6 h, 7.8 days."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / size:.3g} {unit}"
    days = seconds / 86_400
    return f"{days:,.0f} days" if days >= 100 else f"{days:.3g} days"


def cost_table(found: dict[tuple[str, str], Estimate]) -> str:
    """The costs as text."""
    unit, size = ("PFLOP", 1e15) if max(cost.flop for cost in found.values()) >= 1e15 else ("TFLOP", 1e12)
    rows = [
        (*names, f"{cost.jobs:,}", f"{cost.flop / size:,.3f}", duration(cost.seconds), f"{cost.bytes / 1e9:,.2f} GB")
        for names, cost in found.items()
    ]
    return aligned(rows, ("job", "data set", "jobs", unit, "time", "peak memory"))


def aligned(rows: list[tuple], headers: tuple[str, ...]) -> str:
    """A table whose first two columns are words and whose others are numbers."""
    return tabulate(rows, headers, disable_numparse=True, colalign=("left", "left", *["right"] * (len(headers) - 2)))


def speed(key: Step, pace: Pace) -> dict[str, Any]:
    """A pace in words and numbers."""
    model, rate = key.model, flop(key._replace(images=MANY)) / pace.seconds(MANY)
    network = f"{model.architecture}, width {model.width}, {model.channels} x {model.side} x {model.side}"
    how = f"{key.precision}, compiled" if key.compiled else key.precision
    return {
        "network": network,
        "how": how,
        "step": key.kind,
        "flop_per_second": rate,
        "seconds": pace.step,
        "seconds_an_image": pace.image,
    }


def speed_table(said: list[dict[str, Any]]) -> str:
    """GFLOP/s of each network and kind of step."""
    kinds = unique(found["step"] for found in said)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for found in said:
        rows.setdefault((found["network"], found["how"]), {})[found["step"]] = f"{found['flop_per_second'] / 1e9:,.0f}"
    cells = [(*names, *(values.get(kind, "") for kind in kinds)) for names, values in rows.items()]
    return aligned(cells, (f"GFLOP/s, {MANY} images a step", "", *kinds))


def estimate(
    params: dict[str, Any], device: torch.device, directory: str, compiled: bool, recalibrate: bool
) -> dict[str, Any]:
    """All that is printed: conditions, costs, speeds, and whether compiled steps were taken as they are."""
    needed = {name: sizes(params, name, directory) for name in unique(cell.dataset for cell in all_cells(params))}
    planned = workloads(params, needed, device)
    found = planned if compiled else [job._replace(own=eager(job.own), shared=eager(job.shared)) for job in planned]
    steps = together(*(steps for job in found for steps in (job.own, job.shared)))
    speeds = paces(steps, device, recalibrate, lambda line: print(line, file=sys.stderr))
    said = [speed(*item) for item in speeds.items()]
    about = {"uncompiled": found != planned, "convolutional_kip": convolutional_kip(params)}
    return {"conditions": conditions(device), "costs": costs(found, speeds, device), "speeds": said} | about


def convolutional_kip(params: Params) -> bool:
    """Whether some set is made with KIP's convolutional kernel, whose operations are hardly products."""
    return any(
        set_config(params, cell, 0).get("kip", {}).get("kernel") == "convolutional" for cell in all_cells(params)
    )


def as_json(found: dict[str, Any]) -> str:
    """The estimate as JSON: times in seconds, memory in bytes."""
    rows = [{"job": kind, "dataset": dataset} | cost._asdict() for (kind, dataset), cost in found["costs"].items()]
    return json.dumps(found | {"costs": rows}, indent=1)


def as_text(found: dict[str, Any]) -> str:
    """The estimate as tables."""
    here = found["conditions"]
    disk = found["costs"]["total", ""].disk
    caches = [f"Caches of networks will take {disk / 1e9:,.2f} GB of disk, beside the results."] if disk else []
    notes = "\n".join(
        [NOTES, *caches, *([UNCOMPILED] if found["uncompiled"] else []), *([KIP] if found["convolutional_kip"] else [])]
    )
    title = f"{here['device']}, CPU threads: {here['threads']}, torch {here['torch']}"
    return "\n\n".join([title, cost_table(found["costs"]), notes, speed_table(found["speeds"])])


def parser() -> Parser:
    """The command line of `udd estimate`."""
    made = Parser(
        prog="udd estimate", description="What all of params.yaml will cost: FLOP, time on this device, peak memory."
    )
    made.add_argument("--params", nargs="+", default=["params.yaml"], help="params.yaml and files laid over it")
    made.add_argument("--table", help="what this table alone will cost")
    made.add_argument(
        "--directory",
        default=".",
        help="where results grow, as for snakemake: manifests of your own data are looked for below it",
    )
    made.add_argument("--json", action="store_true", help="print JSON: times in seconds, memory in bytes")
    made.add_argument(
        "--compiled",
        action="store_true",
        help="also compile what jobs will compile, and time it so: minutes, the first time",
    )
    made.add_argument(
        "--recalibrate", action="store_true", help="measure the speed of this device again: up to half a minute"
    )
    add_common(made)
    return made


def run(argv: list[str] | None = None) -> None:
    """Print the estimate that the command line asks for."""
    args = parser().parse_args(argv)
    params, device = asked(load(args.params), args.table), setup(args.device, args.threads)
    check_cells(params, " + ".join(Path(path).name for path in args.params))
    found = estimate(params, device, args.directory, args.compiled, args.recalibrate)
    print(as_json(found) if args.json else as_text(found))
