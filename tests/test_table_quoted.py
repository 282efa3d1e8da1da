"""Quoted figures: those of the papers, never taken for measured ones; a doubted one says why."""

import re

import pytest
from grouped import config, csv_rows, groups

from udd.config import plan
from udd.config.drawings import COST, table_config
from udd.config.params import load
from udd.reports import cells, quoted, render, tables
from udd.reports.captions import letters
from udd.reports.layouts import LAYOUTS
from udd.reports.quoted import Quoted


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != COST])
def test_a_quoted_figure_cannot_be_taken_for_a_measured_one(name):
    params = load(["params.yaml"])
    asked = table_config(params, name)
    made = tables.table(asked, {})
    tex, markdown = render.tex(asked, made), render.markdown(asked, made)
    figures = [cell for row in made.rows for cell in row if isinstance(cell, Quoted)]
    assert figures
    assert not re.search(r"\$\d+\.\d(\\,|\$)", tex) and r"\mathbf" not in tex  # nothing upright, nothing bold
    assert len(re.findall(r"\\mathit\{[\d.]+\}(?:\\,\{\\scriptstyle\\pm\\,[\d.]+\})?\^\{\\dagger", tex)) == len(figures)
    assert len(re.findall(r"\*\d+\.\d( ± [\d.]+)?\*†", markdown)) == len(figures)
    assert "quoted from the paper, not measured here" in markdown and "Nothing has been run yet" in markdown
    assert {row["source"] for row in csv_rows(made)} == {"quoted", "not run"}


def test_other_data_is_not_shown_beside_the_papers_figures():
    asked = config("policy", datasets=["digits"], variants=["udd", "udd-gradient"])
    made = tables.table(asked, groups("digits", udd=[60, 61], udd_gradient=[62, 63]))
    text = render.markdown(asked, made)
    assert not made.quoted and "†" not in text and "its own are not shown beside others" in text


def test_one_file_asks_for_every_column_of_the_papers_tables():
    params = load(["params.yaml", "experiments/every-method.yaml"])
    for name in ("main", "architectures", "kip", "imagenet"):
        assert {method for _, _, method, _ in quoted.read(name)} <= set(params["tables"][name]["variants"])
    made = {plan.method(params, name) for name in plan.distilled(params)}
    assert made == {
        plan.method(params, name)
        for table in ("main", "kip")
        for name in params["tables"][table]["variants"]
        if name in plan.distilled(params)
    }
    assert plan.set_config(params, plan.Cell("cifar100", 1, "kip-128"), 0)["distill"]["batch_real"] == 50


def test_quoted_figures_are_those_of_the_paper():
    main = quoted.read("main")
    assert main["cifar10", "1", "udd", "convnet3"][:2] == (54.6, 0.4)
    assert main["mnist", "all", "full", "convnet3"][:2] == (99.6, 0.0)
    assert quoted.read("policy")["cifar10", "10", "udd", "convnet3"].search_time_ms == "17.2"
    assert all(
        note in quoted.notes()
        for name in LAYOUTS
        if name != COST
        for figure in quoted.read(name).values()
        for note in figure.notes
    )


@pytest.mark.parametrize(
    "table, doubted",
    [
        (
            "main",
            {
                ("cifar10", "10", "dc"): "dsa",
                ("cifar10", "50", "dc"): "dsa",
                ("mnist", "50", "udd"): "mnist50",
                ("fashionmnist", "50", "udd"): "fashion50",
            },
        ),
        ("policy", {("cifar10", "10", "udd-gradient"): "diagonal", ("cifar10", "10", "udd"): "close"}),
        ("regions", {("cifar10", "10", "udd-half"): "ticks"}),
        ("imagenet", {("imagenet10", "20", "idc"): "idc"}),
    ],
)
def test_a_doubted_figure_has_a_letter_and_the_table_says_why(table, doubted):
    asked = table_config(load(["params.yaml"]), table)
    made = tables.table(asked, {})
    found, text = {key[:3]: figure for key, figure in made.quoted}, render.markdown(asked, made)
    for key, note in doubted.items():
        letter = letters(made)[note]
        assert f"({letter}) {quoted.notes()[note]}" in text and note in found[key].notes
        assert (
            cells.markdown(found[key], letters(made)) in text
            and letter in cells.markdown(found[key], letters(made)).split("†")[1]
        )
    every = {name for key, figure in quoted.read(table).items() if key in dict(made.quoted) for name in figure.notes}
    assert set(letters(made)) == every
