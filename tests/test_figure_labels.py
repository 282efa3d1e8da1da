"""What figures call variants and data sets: by name, by `label`, and no two alike."""

import pytest
from drawable import asked

from udd.config.drawings import Drawing, figure_config
from udd.errors import UserError
from udd.reports.figures.lettering import plain
from udd.reports.figures.style import place_name, variant_name
from udd.reports.names import check_told_apart


@pytest.fixture(scope="module")
def params():
    return asked()


def test_variants_have_names_for_people():
    assert variant_name({}, "udd") == "UDD" and variant_name({}, "udd-p5") == "UDD, P = 5"
    assert (
        variant_name({}, "udd-random") == "UDD, windows at random (control)" and variant_name({}, "my-own") == "my-own"
    )
    assert variant_name({"labels": {"my-own": "Mine"}}, "my-own") == "Mine"


def test_two_variants_that_one_figure_would_call_alike_are_refused(params):
    named = params["variants"] | {"udd-short": params["variants"]["udd-short"] | {"label": "IDC"}}
    with pytest.raises(
        UserError,
        match=r"figures.schedule.variants: found idc and udd-short, which are both called 'IDC' there; give one of "
        r"them a `l",
    ):
        check_told_apart(params | {"variants": named})
    alone = {
        name: request | {"variants": ["random", "udd-short", "udd"]} for name, request in params["figures"].items()
    }
    check_told_apart(params | {"variants": named, "figures": alone})  # each is told from all that stand beside it


def test_two_data_sets_that_one_table_would_call_alike_are_refused(params):
    first, second, *_ = params["datasets"]
    table = {"datasets": [first, second], "ipc": [1], "variants": ["udd"]}
    named = params["datasets"] | {
        first: params["datasets"][first] | {"label": "Ours"},
        second: params["datasets"][second] | {"label": "Ours"},
    }
    check_told_apart(params | {"tables": {"main": table}})
    with pytest.raises(
        UserError,
        match=f"tables.main.datasets: found {first} and {second}, which are both called 'Ours' there; give one of",
    ):
        check_told_apart(params | {"datasets": named, "tables": {"main": table}})


def test_a_variant_is_called_by_its_label(params):
    named = params["variants"] | {"udd": params["variants"]["udd"] | {"label": "UDD at $1"}}
    config = figure_config(params | {"variants": named}, Drawing("gallery", "digits", 2))
    assert config["labels"] == {"udd": "UDD at $1"} and variant_name(config, "udd") == plain("UDD at $1") != "UDD"
    assert config["sets"] == figure_config(params, Drawing("gallery", "digits", 2))["sets"]  # none is made again for it


def test_a_data_set_is_called_by_its_label(params):
    named = params["datasets"] | {"digits": params["datasets"]["digits"] | {"label": "Digits of $1"}}
    config = figure_config(params | {"datasets": named}, Drawing("gallery", "digits", 2))
    assert place_name(config) == rf"{plain('Digits of $1')}, 2 images per class"
    assert config["sets"] == figure_config(params, Drawing("gallery", "digits", 2))["sets"]  # none is made again for it
