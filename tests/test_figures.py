"""Figures are drawn from finished files, with the same bytes each time; what is missing or unknown is one line."""

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import records
import torch
from matplotlib.colors import to_hex

from udd.config.drawings import Drawing, drawings, figure_config, inputs, reference_config
from udd.config.params import load
from udd.config.plan import Cell, set_config
from udd.config.sections import GRIDS, METHODS, distils
from udd.data import Dataset
from udd.errors import UserError
from udd.evaluation.reference import save as save_reference
from udd.evaluation.reference import train_reference
from udd.methods import idc
from udd.reports import collect
from udd.reports.figures import curves, features, gallery, maps, schedule, spread, utilization
from udd.reports.figures.draw import run
from udd.reports.figures.lettering import plain
from udd.reports.figures.style import Sources, place_name, save, set_path, variant_name
from udd.reports.names import check_told_apart
from udd.synthetic.regions import corner_boxes, grid_boxes
from udd.synthetic.sets import SyntheticSet
from udd.synthetic.sets import save as save_set

COLUMNS = "iteration,outer,loss,loss_gradient,loss_cfc,grad_norm_gradient,grad_norm_cfc,images_per_second,seconds"
LOOKING = {"network": "convnet3", "width": 4, "networks": 1, "epochs": 1, "batch": 32, "images": 20}


@pytest.fixture(scope="module")
def params():
    torch.set_num_threads(1)
    found = load(["params.yaml", "experiments/demo.yaml"])
    request = {"datasets": ["digits"], "ipc": [2], "variants": ["idc", "udd"]}
    figures: dict = dict.fromkeys(("utilization", "maps", "features", "gallery", "curves"), request)
    figures["schedule"] = request | {"variants": ["random", "idc", "udd-short", "udd"]}
    variants = found["variants"] | {
        "udd-short": {"distill": found["variants"]["udd"].get("distill", {}) | {"outer": 1}}
    }
    return found | {
        "tables": {},
        "figures": figures,
        "variants": variants,
        "utilization": found["utilization"] | LOOKING,
    }


def digits() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 1, 12, 12), generator=generator, dtype=torch.uint8)
    labels = torch.arange(60) % 3
    return Dataset("digits", ["a", "b", "c"], [0.5], [0.3], images, labels, images, labels)


@pytest.fixture(scope="module")
def sources(params, tmp_path_factory) -> Sources:
    """A tree of results with sets, curves and reference networks of made-up images."""
    results = tmp_path_factory.mktemp("results")
    for name in ("idc", "udd", "udd-short"):
        made = set_config(params, Cell("digits", 2, name), 0)
        boxes = grid_boxes(12, 2) if name == "idc" else corner_boxes(12, ["third", "half", "two_thirds"])
        metadata = {
            "dataset": "digits",
            "classes": ["a", "b", "c"],
            "mean": [0.5],
            "std": [0.3],
            "whole": name == "udd",
            "config": made,
        }
        images = digits().train_images[:6].float() / 255
        save_set(
            set_path(Sources(results, results, results), made),
            SyntheticSet(images, torch.arange(6) % 3, boxes, metadata),
        )
        write_curve(set_path(Sources(results, results, results), made, "curves", "csv"), name)
    save_reference(
        results / "proxies/digits.safetensors",
        train_reference(digits(), reference_config(params, "digits"), torch.device("cpu")),
    )
    records.write_all(params, results)
    collect.collect(params, results, results)
    return Sources(results, results, results)


def write_curve(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True)
    lines = [
        f"{i},{i // 10},{3 / i},{2 / i},{0 if name == 'idc' else 1 / i},{1 / i},{0 if name == 'idc' else 1 / i},100,{i}"
        for i in range(1, 40)
    ]
    path.write_text("\n".join([COLUMNS, *lines]))


@pytest.fixture(autouse=True)
def made_up_data(monkeypatch):
    for module in (gallery, maps, features):
        monkeypatch.setattr(module, "dataset_of", lambda *_: digits())


@pytest.mark.parametrize(
    "module", [gallery, maps, features, curves, schedule, utilization, spread], ids=lambda module: module.__name__
)
def test_a_figure_has_the_same_bytes_each_time(module, params, sources, tmp_path):
    name = module.__name__.split(".")[-1]
    config = figure_config(params, next(drawing for drawing in drawings(params) if drawing.name == name))
    for turn in ("first", "second"):
        save(module.draw(config, sources), [tmp_path / f"{turn}.png", tmp_path / f"{turn}.pdf"])
    for suffix in ("png", "pdf"):
        found = (tmp_path / f"first.{suffix}").read_bytes()
        assert len(found) > 2000 and found == (tmp_path / f"second.{suffix}").read_bytes()
        assert b"Date" not in found.replace(b"/Date", b"Date")


def test_features_show_at_most_so_many_of_each_class():
    chosen = features.some_of_each(torch.arange(400) % 4, 3)
    labels = chosen % 4
    assert [int((labels == label).sum()) for label in range(4)] == [50, 50, 50, 0]


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


@pytest.mark.parametrize("name", ["gallery", "maps", "features"])
def test_a_set_of_another_configuration_is_not_drawn(params, sources, name):
    config = figure_config(params, Drawing(name, "digits", 2))
    planned = [made | {"distill": made["distill"] | {"image_lr": 9.0}} for made in config["sets"]]
    with pytest.raises(
        UserError, match=r"idc/seed0.safetensors: made with another configuration: distill.image_lr is .*, planned 9.0"
    ):
        {"gallery": gallery, "maps": maps, "features": features}[name].draw(config | {"sets": planned}, sources)


def test_a_figure_without_points_is_one_line(params, sources):
    config = figure_config(params, Drawing("utilization", "digits", 2))
    with pytest.raises(UserError, match="no variant with both mUE and accuracy"):
        utilization.draw(config | {"dataset": "mnist"}, sources)


def test_the_lengths_of_one_configuration_are_one_line_over_iterations_and_minutes(params, sources):
    config, groups = (
        figure_config(params, Drawing("schedule", "digits", 2)),
        schedule.read(sources.results / "accuracy.csv"),
    )
    coreset, idc, udd = schedule.lines(config, groups, sources)
    whole = params["distill"]["outer"] * params["distill"]["inner"]
    assert [point.iterations for point in udd] == [params["distill"]["inner"], whole] and [
        point.name for point in udd
    ] == ["udd-short", "UDD"]
    assert [point.minutes for point in udd] == [39 / 60, 39 / 60]  # the last row of the curve
    assert [(point.iterations, point.minutes, point.name) for point in coreset] == [(0, 0, "Random")] and len(idc) == 1
    runs = [run.accuracy for run in groups[schedule.Key("digits", "2", "udd", "idc", "convnet3")]]
    assert (udd[1].mean, udd[1].n) == (pytest.approx(np.mean(runs)), len(runs)) and udd[1].std == pytest.approx(
        np.std(runs, ddof=1)
    )
    with pytest.raises(UserError, match="no evaluation of MNIST, 2 images per class that the figure asks for"):
        schedule.draw(config | {"dataset": "mnist"}, sources)


def test_curves_are_averaged_over_spans():
    assert curves.averaged(np.arange(1000.0)).tolist() == pytest.approx((np.arange(200) * 5 + 2).tolist())
    assert curves.averaged(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such curve"), ("iteration,outer\n1,2\n", "column loss_gradient is missing")]
)
def test_a_curve_that_is_not_there_or_not_whole_is_one_line(text, message, tmp_path):
    if text:
        (tmp_path / "curve.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        curves.read_curve(tmp_path / "curve.csv")


def test_a_panel_shows_what_a_method_logs_by_its_own_name(tmp_path):
    (tmp_path / "curve.csv").write_text(
        "iteration,outer,loss,cross_entropy,grad_norm,seconds\n1,0,3.0,1.0,2.0,1\n2,0,2.0,0.5,1.0,2\n"
    )
    found = curves.read_curve(tmp_path / "curve.csv")
    assert [curves.column_of(found, names) for names in curves.PANELS] == ["loss", "cross_entropy", "grad_norm", ""]


def test_the_command_draws_one_configuration(params, sources, tmp_path):
    config = figure_config(params, Drawing("curves", "digits", 2))
    run(
        [
            "--config",
            json.dumps(config),
            "--results",
            str(sources.results),
            "--out",
            str(tmp_path / "x.png"),
            str(tmp_path / "x.pdf"),
        ]
    )
    assert (tmp_path / "x.png").exists() and (tmp_path / "x.pdf").exists()
    with pytest.raises(UserError, match="end in .png or .pdf"):
        run(["--config", json.dumps(config), "--results", str(sources.results), "--out", str(tmp_path / "x.gif")])
    with pytest.raises(UserError, match="figure 'galery': unknown"):
        run(["--params", "params.yaml", "--results", str(tmp_path), "galery"])


def test_by_hand_what_is_not_there_yet_is_named(tmp_path, capsys):
    run(["--params", "params.yaml", "experiments/demo.yaml", "--results", str(tmp_path), "gallery"])
    assert "gallery-digits-ipc1: left out" in capsys.readouterr().out


def test_every_drawing_of_the_parameters_has_its_inputs_named():
    params = load(["params.yaml"])
    for drawing in drawings(params):
        assert bool(inputs(params, drawing)) == (drawing.name != "spread")
    assert "synthetic/cifar10/ipc10/udd/seed0.safetensors" in inputs(params, Drawing("maps", "cifar10", 10))
    assert len(inputs(params, Drawing("curves", "cifar10", 10))) == 6


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


def test_windows_of_one_side_have_one_colour_in_a_figure(params, sources):
    """IDC's are of a half, the middle one of UDD's three sides."""
    drawn = maps.draw(figure_config(params, Drawing("maps", "digits", 2)), sources)
    # Of three classes, below real images
    idc, udd = ([patch for axis in drawn.axes[row : row + 3] for patch in axis.patches] for row in (6, 12))
    said = {
        text.get_text(): to_hex(line.get_color())
        for text, line in zip(drawn.legends[0].get_texts(), drawn.legends[0].get_lines(), strict=True)
    }
    assert [*said] == ["4 pixels", "6 pixels", "8 pixels"] and len(set(said.values())) == 3
    assert {to_hex(patch.get_edgecolor()) for patch in idc} == {said["6 pixels"]}
    assert {to_hex(patch.get_edgecolor()) for patch in udd} <= {*said.values()} and len(udd) == 3 * 8


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
