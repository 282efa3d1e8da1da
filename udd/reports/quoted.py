"""The paper's figures (udd/reports/quoted_figures): copied from its tables, never measured here."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("quoted_figures")


class Quoted(NamedTuple):
    """An accuracy in % as the paper prints it, its standard deviation if printed, names of notes if
    in doubt, other columns."""

    accuracy: float
    std: float | None
    notes: tuple[str, ...]
    ratio_percent: str
    search_time_ms: str


QuotedKey = tuple[str, str, str, str]  # data set, IPC, method, architecture


def read(table: str) -> dict[QuotedKey, Quoted]:
    """The quoted figures of a table."""
    with open(FOLDER / f"{table}.csv", newline="") as stream:
        return {
            (row["dataset"], row["ipc"], row["method"], row["architecture"]): quoted_of(row)
            for row in csv.DictReader(stream)
        }


def quoted_of(row: dict[str, str]) -> Quoted:
    """A line of a quoted table."""
    std = float(row["std"]) if row["std"] else None
    return Quoted(
        float(row["accuracy"]), std, tuple(row["note"].split()), row["ratio_percent"], row.get("search_time_ms", "")
    )


def notes() -> dict[str, str]:
    """What to doubt in the quoted figures, by the note's name."""
    with open(FOLDER / "notes.csv", newline="") as stream:
        return {row["note"]: row["text"] for row in csv.DictReader(stream)}
