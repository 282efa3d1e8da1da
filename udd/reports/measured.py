"""accuracy.csv, grouped: one group of runs a data set, IPC, variant, protocol and architecture."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from udd.errors import UserError


class Key(NamedTuple):
    """What the runs of a group have in common; `ipc` is a number as text, or `all`."""

    dataset: str
    ipc: str
    variant: str
    protocol: str
    architecture: str


class Evaluation(NamedTuple):
    """One evaluation: accuracies in % (the last epoch's, the best check-up's), sizes of the set, seconds, how the
    network was trained, the share of the schedule in % (None: not distilled), the most SGD steps of the networks that
    the set met (None: none such), device."""

    seed: int
    network: int
    accuracy: float
    best: float
    checkups: int
    stored_bytes: int
    stored_images: int
    decoded_images: int
    seconds: float
    epochs: int
    steps: int
    precision: str
    schedule: float | None
    network_steps: int | None
    device: str


class Cost(NamedTuple):
    """What the sets of a cell took: steps on the images; mean seconds of so many sets (None: unknown) and their highest
    peak in bytes; seconds of so many of its cache's networks, which it meets (0: none); the machines."""

    steps: int
    seconds: float | None
    sets: int
    peak: int | None
    cache_seconds: float | None
    cached: int
    networks: int
    machines: tuple[str, ...]


Groups = Mapping[Key, Sequence[Evaluation]]


def read(path: Path | str) -> dict[Key, list[Evaluation]]:
    """The groups of accuracy.csv, as `udd.reports.collect` writes it. Raises UserError if it is
    missing or another file."""
    groups: dict[Key, list[Evaluation]] = {}
    try:
        with open(path, newline="") as stream:
            for row in csv.DictReader(stream):
                groups.setdefault(Key(*(row[name] for name in Key._fields)), []).append(evaluation_of(row))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it with udd collect") from None
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path}: not a file of udd.reports.collect ({error}); make it again with udd collect"
        ) from None
    return groups


def evaluation_of(row: Mapping[str, str]) -> Evaluation:
    """A line of accuracy.csv."""
    return Evaluation(
        seed=int(row["seed"]),
        network=int(row["network"]),
        accuracy=float(row["accuracy"]),
        best=float(row["accuracy_best"]),
        checkups=int(row["checkups"]),
        stored_bytes=int(row["stored_bytes"]),
        stored_images=int(row["stored_images"]),
        decoded_images=int(row["decoded_images"]),
        seconds=float(row["seconds"]),
        epochs=int(row["epochs"]),
        steps=int(row["steps"]),
        precision=row["precision"],
        schedule=float(row["schedule_percent"]) if row["schedule_percent"] else None,
        network_steps=int(row["network_steps"]) if row["network_steps"] else None,
        device=row["device"],
    )


def accuracies(runs: Sequence[Evaluation]) -> dict[tuple[int, int], float]:
    """Accuracy by (distillation seed, network seed)."""
    return {(run.seed, run.network): run.accuracy for run in runs}
