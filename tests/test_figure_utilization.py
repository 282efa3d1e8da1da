"""The figure of accuracy over utilization: which sets are its points, and which points one line joins."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from drawable import asked, finished

from udd.config.drawings import Drawing, figure_config
from udd.config.plan import Cell, set_config
from udd.config.sections import GRIDS, METHODS, distils
from udd.errors import UserError
from udd.methods import idc
from udd.reports.figures import utilization
from udd.reports.figures.style import Sources, variant_name


@pytest.fixture(scope="module")
def params():
    return asked()


@pytest.fixture(scope="module")
def sources(params, tmp_path_factory) -> Sources:
    """A tree of results with sets, curves and reference networks of made-up images."""
    return finished(params, tmp_path_factory.mktemp("results"))


def test_points_are_in_the_order_of_what_is_varied(params, sources):
    config = figure_config(params, Drawing("utilization", "digits", 2))
    mues, groups = (
        utilization.read_mues(sources.results / "utilization.csv"),
        utilization.read(sources.results / "accuracy.csv"),
    )
    families = utilization.families(config, mues, groups)
    assert [family.decode for family in families] == ["grid", "regions"] and families[1].points[0].value == params[
        "udd"
    ]["selected"]


def a_set(params: dict[str, Any], name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """A set's configuration, by IDC where `changes` say so; each change in the section that has the key."""
    method = changes.get("method", "udd")
    sections = {
        section: params[section] | {key: value for key, value in changes.items() if key in params[section]}
        for section in ("distill", method)
    }
    return {"variant": name, "method": method} | sections


def sets_of(params: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """The configurations of sets by name, each the default with its changes, as a figure's configuration has them."""
    return {"dataset": "digits", "ipc": 1, "protocol": "idc", "architecture": "convnet3"} | {
        "sets": [a_set(params, name, own) for name, own in changes.items()]
    }


def test_only_variants_that_differ_in_p_alone_are_joined(params):
    real = {"init": "real", "selected": 8}
    made = {
        "udd": real,
        "udd-p2": real | {"selected": 2},
        "udd-mix": {"init": "mix"},
        "udd-plus": {"init": "mix", "scales": ["half"], "policy": "all"},
    }
    config = sets_of(params, **made)
    mues = {("digits", "1", name): [0.5] for name in made}
    groups = {
        utilization.Key("digits", "1", name, "idc", "convnet3"): [SimpleNamespace(accuracy=50.0)] for name in made
    }
    found = utilization.families(config, mues, groups)
    assert [[point.variant for point in family.points] for family in found] == [
        ["udd-p2", "udd"],
        ["udd-mix"],
        ["udd-plus"],
    ]
    assert [utilization.label({}, family) for family in found] == [
        "UDD, over P",
        "udd-mix",
        variant_name({}, "udd-plus"),
    ]


def test_every_method_is_a_point(params):
    """Those whose images train whole, and coresets, too: nothing that the figure asks for is
    missing from it without a word."""
    names = [name for name in params["variants"] if name != "full"]
    sets = [set_config(params, Cell("digits", 1, name), 0) for name in names]
    config = {"dataset": "digits", "ipc": 1, "protocol": "idc", "architecture": "convnet3", "sets": sets}
    mues = {("digits", "1", name): [0.5] for name in names}
    groups = {
        utilization.Key("digits", "1", name, "idc", "convnet3"): [SimpleNamespace(accuracy=50.0)] for name in names
    }
    found = utilization.families(config, mues, groups)
    assert sorted(point.variant for family in found for point in family.points) == sorted(names)
    alone = [
        (family.decode, point.variant)
        for family in found
        for point in family.points
        if family.decode not in utilization.VARIED
    ]
    assert sorted(name for decode, name in alone if decode == utilization.WHOLE) == [
        "cafe",
        "dc",
        "dd",
        "dm",
        "dsa",
        "kip",
        "mtt",
    ]
    assert {name.split("-")[0] for decode, name in alone if decode == utilization.REAL} == {
        "random",
        "herding",
        "forgetting",
    }
    assert all(len(family.points) == 1 for family in found if family.decode not in utilization.VARIED)


def test_sets_of_any_grid_are_shown_and_joined_over_the_factor_of_one_method(params):
    made = {
        "idc": {"method": "idc"},
        "dance": {"method": "dance"},
        "dance3": {"method": "dance", "factor": 3},
        "ncfm": {"method": "ncfm"},
    }
    mues = {("digits", "1", name): [0.5] for name in made}
    groups = {
        utilization.Key("digits", "1", name, "idc", "convnet3"): [SimpleNamespace(accuracy=50.0)] for name in made
    }
    found = utilization.families(sets_of(params, **made), mues, groups)
    points = [[(point.variant, point.value) for point in family.points] for family in found]
    assert points == [[("idc", 2)], [("dance", 2), ("dance3", 3)], [("ncfm", 2)]]
    assert {
        name for name in METHODS if distils(name) and import_module(f"udd.methods.{name}").finish is idc.finish
    } == set(GRIDS)


def test_a_figure_without_points_is_one_line(params, sources):
    config = figure_config(params, Drawing("utilization", "digits", 2))
    with pytest.raises(UserError, match="no variant with both mUE and accuracy"):
        utilization.draw(config | {"dataset": "mnist"}, sources)
