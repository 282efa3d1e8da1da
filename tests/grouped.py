"""Groups of made-up evaluations, as they are read from accuracy.csv, and requests of tables: for
tests of what is made of them."""

from __future__ import annotations

import csv
import io

from udd.reports import render
from udd.reports.measured import Evaluation, Key


def evaluation_of(seed: int, network: int, accuracy: float, schedule: float | None = 100.0) -> Evaluation:
    """One evaluation of a set of ten images; the best and the seconds grow with the network."""
    steps, best, seconds = None if schedule is None else 160, accuracy + 1 + network, 1.0 + network
    return Evaluation(
        seed, network, accuracy, best, 4, 1000, 10, 90, seconds, 1000, 2000, "float32", schedule, steps, "cpu"
    )


def groups(dataset="cifar10", architecture="convnet3", ipc="10", schedule: float | None = 100.0, **accuracies):
    """Groups of two sets with two networks each, of the named variants."""
    made = {}
    for variant, values in accuracies.items():
        key = Key(dataset, ipc, variant.replace("_", "-"), "idc", architecture)
        made[key] = [evaluation_of(i // 2, i % 2, value, schedule) for i, value in enumerate(values)]
    return made


def config(name: str, **request):
    """The configuration of a table of IDC and UDD on CIFAR-10 at IPC 10, unless the request says otherwise."""
    return {
        "table": name,
        "request": {"datasets": ["cifar10"], "ipc": [10], "variants": ["idc", "udd"]} | request,
        "full": ["full"],
    }


def csv_rows(made) -> list[dict]:
    """A table's rows as CSV has them."""
    return list(csv.DictReader(io.StringIO(render.to_csv(made))))
