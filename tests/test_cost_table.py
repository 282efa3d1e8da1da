"""The table of cost: what jobs noted down and what curves say, whose cache it was, what is not
known, how it is written."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import records
from grouped import csv_rows

from udd.config import plan
from udd.config.caches import RECORDS, cache_name
from udd.config.drawings import table_config
from udd.config.params import load
from udd.config.plan import Cell, set_config
from udd.errors import UserError
from udd.files import sha256
from udd.reports import collect, render, tables
from udd.reports.captions import caption, footnotes
from udd.reports.cost import figure
from udd.reports.measured import read
from udd.workflow import timed

NOTED = {"format": 1, "device": "made-up CPU", "threads": 2}
CURVE = "iteration,outer,loss,steps_per_second,seconds\n1,0,3.5,0.5,2\n{steps},1,2.5,0.5,{seconds}\n"


@pytest.fixture
def params():
    """The demo's digits at IPC 1, with a method that meets a cache of five networks."""
    found = load(["params.yaml", "experiments/demo.yaml"])
    distill, dance = found["distill"] | {"networks": "fresh"}, found["variants"]["dance"]
    variants = found["variants"] | {"dance": dance | {"distill": dance["distill"] | {"cache_networks": 5}}}
    request = {"datasets": ["digits"], "ipc": [1], "variants": ["random", "idc", "dance", "full"]}
    asked = {"tables": {"cost": request}, "figures": {}, "seeds": {"distill": [0, 1], "evaluate": [0, 1]}}
    return found | asked | {"distill": distill, "variants": variants}


def note(path: Path, seconds: float, peak: int, **more: str) -> None:
    """What a job writes beside what it made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(NOTED | {"seconds": seconds, "peak_bytes": peak} | more))


@pytest.fixture
def results(params, tmp_path) -> Path:
    """Two sets of IDC, with what they took, two of DANCE, of which their curves say it, and three of the
    five networks of its cache."""
    records.write_all(params, tmp_path)
    collect.collect(params, tmp_path, tmp_path)
    for variant, seconds in (("idc", 600.0), ("dance", 60.0)):
        for seed in (0, 1):
            curve = tmp_path / f"curves/digits/ipc1/{variant}/seed{seed}.csv"
            curve.parent.mkdir(parents=True, exist_ok=True)
            curve.write_text(CURVE.format(steps=100, seconds=seconds + 6 * seed))
    for seed in (0, 1):
        curve = tmp_path / f"curves/digits/ipc1/idc/seed{seed}.csv"
        note(curve.with_suffix(".cost.json"), 1200.0 + 120 * seed, 400_000_000 + 100_000_000 * seed, of=sha256(curve))
    name = cache_name(set_config(params, Cell("digits", 1, "dance"), 0))
    for member, folder in enumerate((RECORDS, RECORDS, "cache")):
        note(tmp_path / folder / name / f"network{member}.cost.json", 30.0, 300_000_000)
    return tmp_path


def made(params, results: Path) -> tuple[dict[str, Any], Any]:
    """The table's configuration, and the table."""
    asked = table_config(params, "cost")
    return asked, tables.table(asked, read(results / "accuracy.csv"), results)


def rows(params, results: Path) -> dict[str, dict[str, Any]]:
    """Its rows by method."""
    table = made(params, results)[1]
    return {row[2]: dict(zip(table.headings, row, strict=True)) for row in table.rows}


def test_a_row_says_what_a_method_reaches_and_what_it_took(params, results):
    found, planned = rows(params, results), params["distill"]
    steps = planned["outer"] * planned["inner"]
    idc = found["IDC"]
    assert (idc["Steps"], idc["s/step"], idc["Minutes"]) == (str(steps), figure(1260 / steps), "21")
    assert (idc["Peak MB"], idc["Cache min"], idc["n"]) == ("500", "", "4") and 0 < idc["Accuracy"].mean < 100
    assert list(found) == ["Random", "IDC", "DANCE", "Full data"]


def test_a_row_calls_the_data_set_by_its_label(params, results):
    named = params | {
        "datasets": params["datasets"] | {"digits": params["datasets"]["digits"] | {"label": "Ten digits"}}
    }
    assert {row[0] for row in made(named, results)[1].rows} == {"Ten digits"} and {
        row[0] for row in made(params, results)[1].rows
    } == {"Digits"}


def test_without_a_note_the_curve_says_the_seconds_and_nothing_the_memory(params, results):
    dance = rows(params, results)["DANCE"]
    assert (dance["Minutes"], dance["Peak MB"]) == ("1.05", None)
    shutil.rmtree(results / "curves")
    gone = rows(params, results)["DANCE"]
    assert (
        (gone["Minutes"], gone["s/step"], gone["Peak MB"]) == (None, None, None)
        and gone["Steps"] == "10000"
        and gone["n"] == "4"
    )


def test_what_another_job_noted_down_is_not_this_curves(params, results):
    """A curve that was put here, by hand or from elsewhere, beside the note of the one that it replaced."""
    for seed in (0, 1):
        (results / f"curves/digits/ipc1/idc/seed{seed}.csv").write_text(CURVE.format(steps=100, seconds=30))
    idc = rows(params, results)["IDC"]
    assert (idc["Minutes"], idc["Peak MB"]) == ("0.5", None)


def test_a_cache_is_counted_whole_and_what_is_known_of_it_said(params, results):
    assert rows(params, results)["DANCE"]["Cache min"] == "1.5 (3 of 5)"
    name = cache_name(set_config(params, Cell("digits", 1, "dance"), 0))
    for member in (3, 4):
        note(results / RECORDS / name / f"network{member}.cost.json", 30.0, 1)
    assert rows(params, results)["DANCE"]["Cache min"] == "2.5"
    for folder in (RECORDS, "cache"):
        shutil.rmtree(results / folder)
    assert rows(params, results)["DANCE"]["Cache min"] is None


def test_coresets_and_the_full_data_have_accuracies_alone(params, results):
    found = rows(params, results)
    for method in ("Random", "Full data"):
        assert [found[method][name] for name in ("Steps", "s/step", "Minutes", "Cache min", "Peak MB")] == [""] * 5
    assert [row["Accuracy"].best for row in found.values()].count(True) == 1 and not found["Full data"]["Accuracy"].best


def test_it_says_on_what_machine_and_that_other_things_ran(params, results):
    asked, table = made(params, results)
    said = " ".join([caption(asked, table), *footnotes(asked, table)])
    assert "wall-clock on made-up CPU, 2 threads, beside whatever else ran there" in said and "protocol idc" in said
    assert not any(words in said for words in ("The paper has no figures", "Differences", "idc_best"))
    shutil.rmtree(results / "curves")
    shutil.rmtree(results / RECORDS)
    shutil.rmtree(results / "cache")
    assert "on a machine that was not noted down" in " ".join(footnotes(*made(params, results)))


def test_latex_markdown_and_csv_are_of_the_same_rows(params, results):
    asked, table = made(params, results)
    assert r"\label{tab:cost}" in render.tex(asked, table) and "| DANCE | " in " ".join(
        render.markdown(asked, table).split()
    )
    found = {row["variant"]: row for row in csv_rows(table)}
    assert (found["idc"]["set_seconds"], found["idc"]["sets_timed"], found["idc"]["peak_bytes"]) == (
        "1260.0",
        "2",
        "500000000",
    )
    assert (
        found["dance"]["cache_seconds"],
        found["dance"]["cache_networks_timed"],
        found["dance"]["cache_networks"],
    ) == ("90.0", "3", "5")
    assert found["random"]["set_seconds"] == "" and found["random"]["accuracy"] and found["random"]["n"] == "4"


def test_no_other_table_gets_new_columns(params, results):
    assert "image_steps" not in render.to_csv(
        tables.table({"table": "main", "request": params["tables"]["cost"], "full": ["full"]}, {})
    )


def test_the_command_finds_what_sets_took_below_the_results(params, results):
    asked = plan.canonical(table_config(params, "cost"))
    tables.run(["--config", asked, "--accuracy", str(results / "accuracy.csv"), "--results", str(results)])
    assert {path.name for path in (results / "tables").iterdir()} == {"cost.tex", "cost.md", "cost.csv"}
    assert "| 21 |" in " ".join((results / "tables/cost.md").read_text().split())


def test_the_workflow_waits_for_the_curves_of_this_table_alone(params):
    both = params | {"tables": params["tables"] | {"main": params["tables"]["cost"]}}
    assert timed(both, "cost") == [
        f"curves/digits/ipc1/{variant}/seed{seed}.csv" for variant in ("idc", "dance") for seed in (0, 1)
    ]
    assert timed(both, "main") == [] and "costs" not in table_config(both, "main")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seed0.cost.json", "{}", r"seed0.cost.json: seconds is None, expected a number; delete the file"),
        ("seed0.cost.json", "[1]", r"seed0.cost.json: seconds is \[1\], expected a number; delete the file"),
        ("seed0.cost.json", '{"seconds": 1, "peak_bytes": "2"}', r"peak_bytes is '2', expected a number"),
        ("seed0.cost.json", "{", "not a whole JSON file"),
        ("seed0.csv", "iteration,loss\n1,2\n", "seed0.csv: no row with seconds"),
        ("seed0.csv", "iteration,seconds\n", "seed0.csv: no row with seconds"),
    ],
)
def test_what_is_no_note_and_no_curve_is_named(params, results, name, text, message):
    (results / "curves/digits/ipc1/dance" / name).write_text(text)
    with pytest.raises(UserError, match=message):
        made(params, results)


def test_figures_have_three_digits_and_no_powers_of_ten():
    assert [figure(value) for value in (0.00001234, 0.01234, 1.0, 12.34, 1234.5, None)] == [
        "0.000012",
        "0.0123",
        "1",
        "12.3",
        "1234",
        None,
    ]
