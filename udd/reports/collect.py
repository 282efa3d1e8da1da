"""Records -> accuracy.csv, utilization.csv and metrics.json: everything that params.yaml plans and
that has been run, nothing else.

    udd collect --params params.yaml                     # by hand, also halfway: what is missing is `--` in the tables
    udd collect --config PARAMS_JSON --results results   # as the workflow does

A record is taken only if the configuration that it carries is the planned one; else the run ends with one line that
names the first difference. Result files that no plan asks for (of a variant that was dropped, say) are listed as
orphans, and left alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from udd.command import Parser
from udd.config import plan, requested
from udd.config.asked import read_config
from udd.config.caches import meets_cache
from udd.config.compare import difference
from udd.config.drawings import measurement_path, measurements, shown_file
from udd.config.files import results_folder
from udd.config.params import check
from udd.config.params import load as load_params
from udd.config.sections import OWN_NETWORKS, TRAJECTORIES
from udd.errors import UserError
from udd.files import read_json, write_atomic
from udd.reports.published import steps, whole_schedule
from udd.reports.statistics import summary

FORMAT = 1  # of a measurement of mUE
ACCURACY_FORMAT = 2  # of a record of accuracies
KEYS = ["dataset", "ipc", "variant", "seed", "protocol", "architecture", "network"]
ACCOUNT = ["stored_bytes", "stored_images", "decoded_images", "epochs", "steps"]
FOUND = ["accuracy", "accuracy_best", *ACCOUNT, "seconds"]
TRAINED = ["checkups", "precision", "views"]  # how the network was evaluated
MADE = ["schedule_percent", "network_steps", "device", "code", "git"]
ACCURACY = KEYS + FOUND + TRAINED + MADE
MEASURED = ["mue", "mue_std", "mue_printed", "mue_printed_letter", "images"]
UTILIZATION = KEYS[:4] + MEASURED + MADE[2:]


def read_result(path: Path, planned: dict[str, Any], needed: Iterable[str]) -> dict[str, Any]:
    """One result file. Raises UserError if it is of another format or configuration, or lacks a number."""
    result = read_json(path)
    expected = ACCURACY_FORMAT if "set" in planned and "evaluate" in planned else FORMAT
    if not isinstance(result, dict) or result.get("format") != expected:
        raise UserError(f"{path}: not a result of format {expected}; delete it and run again with this version")
    differing = difference(result.get("config", {}), planned)
    if differing:
        raise UserError(
            f"{path}: of another configuration: {differing}; delete the file and run again, or go back to its "
            "parameters"
        )
    missing = [name for name in needed if not isinstance(result.get(name), int | float)]
    if missing:
        raise UserError(
            f"{path}: {missing[0]} is {result.get(missing[0])!r}, expected a number; delete the file and run again"
        )
    return result


def schedule_percent(set_config: dict[str, Any]) -> float | None:
    """The share of its method's published schedule over which a set was distilled, in percent; None for coresets, the
    full data set, and a method of which none is known."""
    if "distill" not in set_config:
        return None
    whole = whole_schedule(set_config)
    return round(100 * steps(set_config) / whole, 6) if whole else None


def network_steps(set_config: dict[str, Any]) -> int | None:
    """The most SGD steps of the networks that a set met; None where they train on the set itself, begin
    trained, or there are none. A fresh one is met before its first training and not after its last, an expert (MTT) no
    longer than its last start is followed."""
    distill = set_config.get("distill")
    if distill is None or set_config["method"] in OWN_NETWORKS or distill["pretrain_epochs"]:
        return None
    trainings = oldest_age(set_config) * distill["cache_spacing"] if meets_cache(set_config) else distill["inner"] - 1
    return trainings * math.ceil(distill["net_images"] / distill["net_batch"])


def oldest_age(set_config: dict[str, Any]) -> int:
    """The last of the cached networks' ages that a set meets, from 0."""
    last, method = set_config["distill"]["cache_ages"] - 1, set_config["method"]
    if method not in TRAJECTORIES:
        return last
    return min(last, set_config[method]["last_start"] - 1 + set_config[method]["expert_ages"])


def origin(result: dict[str, Any]) -> dict[str, Any]:
    """Device, code digest and git revision of a result; of a network its own, as others of its record may have been
    measured elsewhere."""
    found = {name: result.get("provenance", {}).get(name) for name in ("device", "code", "git")}
    return found | {name: result[name] for name in ("device", "git") if name in result}


def accuracy_rows(params: plan.Params, folder: Path) -> list[dict[str, Any]]:
    """One row a planned evaluation that exists, in the plan's order."""
    rows = []
    for record in requested.all_records(params):
        path = folder / record.path
        if path.exists():
            result = read_result(path, plan.evaluation_config(params, record), ACCOUNT)
            if not isinstance(result.get("networks"), dict):
                said = f"networks is {result.get('networks')!r}, expected a result for each network"
                raise UserError(f"{path}: {said}; delete the file and run again")
            rows += [
                row_of(result, record, network, path)
                for network in params["seeds"]["evaluate"]
                if str(network) in result["networks"]
            ]
    return rows


def row_of(result: dict[str, Any], record: plan.Record, network: int, path: Path) -> dict[str, Any]:
    """The row of one network of a record. Raises UserError if it lacks a number."""
    one = result["networks"][str(network)]
    found = result | (one if isinstance(one, dict) else {})
    missing = [name for name in FOUND if not isinstance(found.get(name), int | float)]
    if missing:
        raise UserError(
            f"{path}: {missing[0]} of network {network} is {found.get(missing[0])!r}, expected a number; delete the "
            "file and run again"
        )
    trained = {name: result["config"]["evaluate"][name] for name in TRAINED}
    of = result["config"]["set"]
    made = {"schedule_percent": schedule_percent(of), "network_steps": network_steps(of)} | origin(found)
    return (
        dict(zip(KEYS, [*record.cell, *record[1:], network], strict=True))
        | {name: found[name] for name in FOUND}
        | trained
        | made
    )


def utilization_rows(params: plan.Params, folder: Path) -> list[dict[str, Any]]:
    """One row a planned measurement of mUE that exists."""
    rows = []
    for cell, seed in measurements(params):
        path = folder / measurement_path(cell, seed)
        if path.exists():
            result = read_result(path, plan.utilization_config(params, cell, seed), ["mue", "mue_printed"])
            rows.append(
                dict(zip(KEYS[:4], [*cell, seed], strict=True))
                | {name: result.get(name) for name in MEASURED}
                | origin(result)
            )
    return rows


def metrics(accuracies: list[dict[str, Any]], utilizations: list[dict[str, Any]]) -> dict[str, Any]:
    """Means for `dvc metrics diff`: data set -> ipcN -> variant -> architecture (with the protocol, unless it is the
    usual one) -> mean, std, n."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for row in accuracies:
        usual = "epochs300" if row["ipc"] == plan.FULL else plan.DEFAULT_PROTOCOL
        how = row["architecture"] if row["protocol"] == usual else f"{row['architecture']}-{row['protocol']}"
        groups.setdefault((row["dataset"], f"ipc{row['ipc']}", row["variant"], how), []).append(row["accuracy"])
    for row in utilizations:
        groups.setdefault((row["dataset"], f"ipc{row['ipc']}", row["variant"], "mue"), []).append(row["mue"])
    nested: dict[str, Any] = {}
    for (*path, last), values in groups.items():
        place = nested
        for name in path:
            place = place.setdefault(name, {})
        mean, std, n = summary(values)
        place[last] = {"mean": round(mean, 4), "std": None if std is None else round(std, 4), "n": n}
    return nested


def as_csv(columns: list[str], rows: list[dict[str, Any]]) -> str:
    """Rows as CSV text with the given columns; None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def orphans(params: plan.Params, results: Path) -> list[Path]:
    """The sets, records and measurements below `results` that no table or figure asks for, sorted."""
    wanted = {results / "accuracy" / record.path for record in requested.all_records(params)}
    wanted |= {results / "utilization" / measurement_path(cell, seed) for cell, seed in measurements(params)}
    for cell in requested.all_cells(params):
        wanted |= {results / shown_file(params, "set", cell, seed) for seed in plan.seeds(params, cell)}
    patterns = ("accuracy/**/*.json", "utilization/**/*.json", "synthetic/**/*.safetensors")
    return sorted(path for pattern in patterns for path in results.glob(pattern) if path not in wanted)


def report(params: plan.Params, accuracies: list[dict], utilizations: list[dict], lost: list[Path]) -> str:
    """What was found, what is missing and what nobody asks for, in words."""
    planned = len(requested.all_records(params)) * len(params["seeds"]["evaluate"])
    evaluations = f"{len(accuracies)} of {planned} planned evaluations"
    lines = [f"{evaluations}, {len(utilizations)} of {len(measurements(params))} measurements of mUE"]
    if lost:
        lines.append(
            f"{len(lost)} orphans, which nothing in the parameters asks for (left alone; delete them if you like):"
        )
    return "\n".join([*lines, *(f"  {path}" for path in lost)])


def collect(params: plan.Params, results: Path, out: Path) -> str:
    """Read what lies below `results`, write the three files into `out`, return the report. Raises UserError
    for a record of another plan, and where no evaluation is found and rows of some would be lost."""
    accuracies, utilizations = (
        accuracy_rows(params, results / "accuracy"),
        utilization_rows(params, results / "utilization"),
    )
    table = out / "accuracy.csv"
    rows = table.read_text().count("\n") - 1 if table.exists() else 0
    if rows > 0 and not accuracies and requested.all_records(params):
        raise UserError(
            f"{results}: found none of the planned evaluations, and {table} has {rows} rows, which would be lost; "
            "bring their records first (udd pull), or delete it"
        )
    write_atomic(table, as_csv(ACCURACY, accuracies))
    write_atomic(out / "utilization.csv", as_csv(UTILIZATION, utilizations))
    write_atomic(out / "metrics.json", json.dumps(metrics(accuracies, utilizations), indent=1) + "\n")
    lost = orphans(params, results) if out == results else []  # what one table does not ask for, another may
    fewer = f"\n{table}: {rows - len(accuracies)} rows fewer than before" if len(accuracies) < rows else ""
    return report(params, accuracies, utilizations, lost) + fewer


def parser() -> Parser:
    """The command line of `udd collect`."""
    made = Parser(prog="udd collect", description="Collect all planned records into CSV files and metrics.json.")
    made.add_argument("--config", help="all parameters, as JSON or a JSON file; replaces --params")
    made.add_argument("--params", nargs="+", default=["params.yaml"], help="params.yaml and files laid over it")
    made.add_argument("--results", type=Path, help="the tree of results; by default that of the parameters")
    made.add_argument(
        "--out", type=Path, help="where to write accuracy.csv, utilization.csv, metrics.json; by default the same"
    )
    return made


def run(argv: list[str] | None = None) -> None:
    """Collect all records of the parameters."""
    args = parser().parse_args(argv)
    given = read_config(args.config)
    params = load_params(args.params) if given is None else check(given, "--config")
    results = args.results or results_folder(params)
    print(collect(params, results, args.out or results))
