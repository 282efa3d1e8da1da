"""Several protocols in one table: rows of a grid, groups of an ablation, each compared by itself."""

from typing import Any

from grouped import config, csv_rows, groups

from udd.reports import tables
from udd.reports.captions import caption, footnotes
from udd.reports.measured import Evaluation, Key
from udd.reports.quoted import Quoted


def two_protocols() -> dict[Key, list[Evaluation]]:
    """IDC and UDD by `idc` (four check-ups, 1000 epochs) and by `steps` (one check-up, 50 epochs)."""
    found: dict[Key, list[Evaluation]] = {}
    for key, runs in groups(idc=[60, 61], udd=[64, 65]).items():
        found[key] = runs
        found[key._replace(protocol="steps")] = [
            run._replace(accuracy=run.accuracy - 10, checkups=1, epochs=50, steps=500) for run in runs
        ]
    return found


def test_two_protocols_are_rows_of_a_grid_and_the_papers_figures_stand_once():
    asked = config("main", protocols=["idc", "steps"])
    made = tables.table(asked, two_protocols())
    assert made.headings[3] == "Protocol"
    rows: list[dict[str, Any]] = [dict(zip(made.headings, row, strict=True)) for row in made.rows]
    assert [(row["Protocol"], row["Source"]) for row in rows] == [
        ("idc", "measured"),
        ("", "idc_best"),
        ("", "paper†"),
        ("steps", "measured"),
    ]
    assert rows[0]["Ratio %"] == rows[3]["Ratio %"] == "0.2"
    assert rows[0]["UDD"].mean == 64.5 and rows[3]["UDD"].mean == 54.5 and rows[3]["UDD"].best
    lines = [
        (row["variant"], row["protocol"], row["accuracy"], row["steps"])
        for row in csv_rows(made)
        if row["source"] == "measured"
    ]
    assert lines == [
        ("idc", "idc", "60.5", "2000"),
        ("udd", "idc", "64.5", "2000"),
        ("idc", "steps", "50.5", "500"),
        ("udd", "steps", "54.5", "500"),
    ]
    text = caption(asked, made)
    assert (
        "protocols idc, steps" in text
        and "Networks trained for 50 or 1000 epochs." in text
        and "the best of 4 check-ups" in text
    )
    assert "SGD steps of a network: IDC: 500 or 2000; UDD: 500 or 2000." in footnotes(asked, made)


def test_two_protocols_are_groups_of_an_ablation_and_compared_each_by_itself():
    asked = config("policy", variants=["udd", "udd-gradient"], protocols=["idc", "steps"])
    found = groups(udd=[60, 61, 62, 63], udd_gradient=[61, 62, 65, 66])
    found |= {
        key._replace(protocol="steps"): [run._replace(accuracy=50.0, steps=500) for run in runs]
        for key, runs in found.items()
    }
    made = tables.table(asked, found)
    rows = [dict(zip(made.headings, row, strict=True)) for row in made.rows]
    assert [(row["Protocol"], row["Steps"]) for row in rows] == [("idc", "2000")] * 2 + [("steps", "500")] * 2
    assert {key.protocol: found.mean for key, (_, found) in made.differences.items()} == {"idc": 2.0, "steps": 0.0}
    assert [isinstance(row["Paper†"], Quoted) for row in rows] == [True, True, False, False]


def test_protocols_are_rows_where_there_are_several_and_the_paper_stands_once():
    asked = config("main", protocols=["idc", "equal"])
    found = groups(idc=[60], udd=[61])
    found |= {
        key._replace(protocol="equal"): [run._replace(steps=9, checkups=1) for run in runs]
        for key, runs in found.items()
    }
    made = tables.table(asked, found)
    assert made.headings[3:5] == ["Protocol", "Source"]
    assert [(row[3], row[4]) for row in made.rows] == [
        ("idc", "measured"),
        ("", "idc_best"),
        ("", "paper†"),
        ("equal", "measured"),
    ]
    assert "protocols idc, equal" in caption(asked, made) and "best of 4 check-ups" in caption(asked, made)
    assert "SGD steps of a network: IDC: 9 or 2000; UDD: 9 or 2000." in footnotes(asked, made)
