"""Records as udd.evaluation.accuracy and udd.evaluation.utilization write them, with numbers made up from a seed: for
tests of what reads them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from udd.config import plan, requested
from udd.config.drawings import measurement_path, measurements
from udd.config.params import load
from udd.files import write_json
from udd.reports import collect, tables

MADE = {
    "module": "udd.evaluation.accuracy",
    "code": "0123456789abcdef",
    "git": "abc",
    "device": "made-up device",
    "versions": {},
    "threads": 1,
}


def evaluation(params: plan.Params, record: plan.Record) -> dict[str, Any]:
    """One record of made-up accuracies that depend on the cell, the set and the network."""
    draw = random.Random(f"{record.cell.folder} {record.architecture}")
    base = draw.uniform(20, 90) + random.Random(f"{record.cell.folder} {record.seed}").gauss(0, 0.5)
    config = plan.evaluation_config(params, record)
    stored = 10 * (record.cell.ipc if isinstance(record.cell.ipc, int) else 500)
    made = config["set"]
    decoded = made["distill"]["factor"] ** 2 if "idc" in made else 1 + made["udd"]["selected"] if "udd" in made else 1
    sizes = {"stored_images": stored, "decoded_images": stored * decoded, "stored_bytes": stored * 3072}
    trained = {"epochs": config["evaluate"]["epochs"], "steps": config["evaluate"]["epochs"] * decoded}
    networks = {str(network): made_up(f"{record.path} {network}", base) for network in params["seeds"]["evaluate"]}
    return {"format": 2, "config": config, "provenance": MADE} | sizes | trained | {"networks": networks}


def made_up(name: str, base: float) -> dict[str, Any]:
    """What one network found."""
    accuracy = base + random.Random(name).gauss(0, 0.5)
    return {"accuracy": accuracy, "accuracy_best": accuracy + 0.3, "checkups": [[1, accuracy]], "seconds": 12.5}


def write_all(params: plan.Params, results: Path) -> None:
    """Every planned record and measurement, below `results`."""
    for record in requested.all_records(params):
        write_json(results / "accuracy" / record.path, evaluation(params, record))
    for cell, seed in measurements(params):
        mue = random.Random(f"{cell.folder} {seed}").uniform(0.5, 0.9)
        numbers = {
            "mue": mue,
            "mue_std": 0.05,
            "mue_printed": 1 - mue,
            "mue_printed_letter": 1 - mue / 64,
            "images": 100,
        }
        config = plan.utilization_config(params, cell, seed)
        write_json(
            results / "utilization" / measurement_path(cell, seed),
            {"format": 1, "config": config, "provenance": MADE} | numbers,
        )


def write_tables(folder: Path) -> Path:
    """All tables of the demo's parameters, from made-up records; returns where they lie."""
    params = load(["params.yaml", "experiments/demo.yaml"])
    write_all(params, folder)
    collect.collect(params, folder, folder)
    tables.run(["--params", "params.yaml", "experiments/demo.yaml", "--accuracy", str(folder / "accuracy.csv")])
    return folder / "tables"
