"""The table of cost: for each method its accuracy, and the steps, seconds and memory that its sets took.

Steps and seconds stand in a set's curve, as they always did; what later versions note beside it
(udd.runs.taken) has memory and machine too. What was not noted down stays open (--): no result depends on
it, and nothing is run again for it.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from udd.config.caches import RECORDS
from udd.config.files import taken_path
from udd.errors import UserError
from udd.files import read_json, sha256
from udd.reports.cells import Cell, mark_best
from udd.reports.layouts import Table, counts, head_of, heading, key_of, measured, rival, run_at, settings, varying
from udd.reports.measured import Cost, Groups, Key

HEADINGS = ["Method", "Steps", "s/step", "Minutes", "Cache min", "Peak MB", "Accuracy", "n"]
NUMBERS = ("seconds", "peak_bytes")


class Taken(NamedTuple):
    """What one file took: seconds; where they were noted down the most resident bytes, the machine, and the
    digest of the curve beside."""

    seconds: float
    peak: int | None
    machine: str
    of: str = ""


def noted(made: Path) -> Taken | None:
    """What stands beside a file of what making it took; None if nothing does. Raises UserError if it is another
    file, or lacks a number."""
    path = taken_path(made)
    if not path.exists():
        return None
    found = read_json(path)
    wrong = [name for name in NUMBERS if not isinstance(found, dict) or not isinstance(found.get(name), int | float)]
    if wrong:
        value = found.get(wrong[0]) if isinstance(found, dict) else found
        raise UserError(
            f"{path}: {wrong[0]} is {value!r}, expected a number; delete the file: the table goes without it"
        )
    threads = found.get("threads")
    return Taken(
        found["seconds"],
        found["peak_bytes"],
        f"{found.get('device')}, {threads} thread{'' if threads == 1 else 's'}",
        str(found.get("of", "")),
    )


def of_set(curve: Path) -> Taken | None:
    """What a set took: what its job noted down, if the curve is that job's, else what the curve alone says;
    None if there is no curve."""
    found = noted(curve) if curve.exists() else None
    return found if found and found.of == sha256(curve) else of_curve(curve)


def of_curve(curve: Path) -> Taken | None:
    """What a set took by its curve alone: the seconds of its last row; None if there is no curve. Raises
    UserError if it is no curve."""
    try:
        with curve.open(newline="") as stream:
            *_, last = csv.DictReader(stream)
        return Taken(float(last["seconds"]), None, "")
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{curve}: no row with seconds ({error}); make it again with udd distill") from None


def of_cache(results: Path, name: str, networks: int) -> list[Taken]:
    """What the networks of a cache took, as far as it is known: beside their records,
    which stay, or beside the networks."""
    found = []
    for member in range(networks):
        records = (results / folder / name / f"network{member}" for folder in (RECORDS, "cache"))
        found += [each for path in records if (each := noted(path.with_suffix(".json")))][:1]
    return found


def read(config: Mapping[str, Any], results: Path) -> dict[tuple[str, str, str], Cost]:
    """The cost of each cell that was distilled, by data set, IPC and variant; `config`:
    udd.config.drawings.table_config."""
    found = {}
    for asked in config["costs"]:
        curves = [results / "curves" / asked["folder"] / f"seed{seed}.csv" for seed in asked["seeds"]]
        sets = [each for curve in curves if (each := of_set(curve))]
        cache = of_cache(results, asked["cache"], asked["networks"]) if asked["cache"] else []
        found[asked["dataset"], str(asked["ipc"]), asked["variant"]] = cost(asked, sets, cache)
    return found


def cost(asked: Mapping[str, Any], sets: Sequence[Taken], cache: Sequence[Taken]) -> Cost:
    """A cell's cost: the mean of its sets' seconds, their highest peak; the seconds of all networks
    of its cache that are known."""
    seconds = statistics.fmean(each.seconds for each in sets) if sets else None
    peak = max((each.peak for each in sets if each.peak is not None), default=None)
    machines = tuple(sorted({each.machine for each in [*sets, *cache] if each.machine}))
    cached = sum(each.seconds for each in cache) if cache else None
    return Cost(asked["steps"], seconds, len(sets), peak, cached, len(cache), asked["networks"], machines)


def table(config: Mapping[str, Any], groups: Groups, costs: Mapping[tuple[str, str, str], Cost]) -> Table:
    """A table with a row a variant: what its sets took, and what networks trained on them reach."""
    request = config["request"]
    made = Table(["Data set", "IPC", *varying(request), *HEADINGS], [], [], [], [], {}, {})
    for setting in settings(request):
        made.starts.append(len(made.rows))
        keys = [key_of(setting, variant, config) for variant in request["variants"]]
        rivals = [key for key in keys if rival(key.variant, config)]
        marked = dict(zip(rivals, mark_best([measured(groups.get(key, [])) for key in rivals]), strict=True))
        for key in keys:
            runs, found = groups.get(key, []), costs.get(key[:3])
            if run_at(setting, key.variant, config):
                made.shown.append((key, runs))
            made.costs.update({key: found} if found else {})
            accuracy = marked.get(key, measured(runs))
            head = [*head_of(config, setting, varying(request)), heading(config, key.variant)]
            made.rows.append([*head, *cost_cells(found), accuracy, counts([runs])])
    return made


def cost_cells(found: Cost | None) -> list[Cell]:
    """Steps, seconds a step, minutes, minutes of the cache, peak memory; what is not distilled has none of them."""
    if found is None:
        return ["", "", "", "", ""]
    step, minutes = (None, None) if found.seconds is None else (found.seconds / found.steps, found.seconds / 60)
    peak = None if found.peak is None else found.peak / 1e6
    return [f"{found.steps}", figure(step), figure(minutes), cache_cell(found), figure(peak)]


def cache_cell(found: Cost) -> str | None:
    """The minutes of a cache; where not all of its networks are known, of how many of
    them; empty where a set meets none."""
    if not found.networks:
        return ""
    share = "" if found.cached == found.networks else f" ({found.cached} of {found.networks})"
    return None if found.cache_seconds is None else f"{figure(found.cache_seconds / 60)}{share}"


def figure(value: float | None) -> str | None:
    """Three figures, and no powers of ten."""
    return (
        None
        if value is None
        else f"{value:.0f}"
        if value >= 100
        else f"{value:.3g}"
        if value >= 1e-3
        else f"{value:.6f}"
    )


def said(costs: Mapping[Key, Cost]) -> list[str]:
    """What the columns mean, and where the sets were made."""
    machines: Iterable[str] = sorted({machine for found in costs.values() for machine in found.machines})
    where = "; ".join(machines) or "a machine that was not noted down"
    return [
        f"Steps: on the images. Minutes: of the whole distillation, the mean of its sets, wall-clock on {where}, "
        "beside whatever else ran there.",
        "Cache min: of all networks of the cache that a set meets, made once for all sets that meet it, and not in "
        "Minutes.",
        "Peak MB: the most that a set's process had resident (10^6 bytes). --: not noted down.",
    ]
