"""Figures are drawn from finished files, with the same bytes each time; what is missing or unknown is one line."""

import io
import json
import shutil

import numpy as np
import pytest
import torch
from drawable import asked, digits, finished
from matplotlib.colors import to_hex

from udd.config.drawings import Drawing, drawings, figure_config, inputs
from udd.config.params import load
from udd.errors import UserError
from udd.reports.figures import curves, features, gallery, maps, schedule, spread, style, utilization
from udd.reports.figures.draw import run
from udd.reports.figures.style import Sources, save


@pytest.fixture(scope="module")
def params():
    return asked()


@pytest.fixture(scope="module")
def sources(params, tmp_path_factory) -> Sources:
    """A tree of results with sets, curves and reference networks of made-up images."""
    return finished(params, tmp_path_factory.mktemp("results"))


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


@pytest.mark.parametrize("name", ["gallery", "maps", "features"])
def test_soft_labels_are_drawn_by_their_largest(params, sources, monkeypatch, name):
    config, real, drawn = figure_config(params, Drawing(name, "digits", 2)), style.load, []
    classes = len(digits().classes)

    def soft(path):
        made = real(path)
        return made._replace(labels=0.9 * torch.nn.functional.one_hot(made.labels, classes) + 0.1 / classes)

    for loaded in (real, soft):
        monkeypatch.setattr(style, "load", loaded)
        drawn.append(io.BytesIO())
        figure = {"gallery": gallery, "maps": maps, "features": features}[name].draw(config, sources)
        figure.savefig(drawn[-1])
    assert drawn[0].getvalue() == drawn[1].getvalue()


def test_every_line_of_many_has_a_colour_of_its_own():
    assert all(len(set(style.colours(count))) == count for count in range(1, 40))


@pytest.mark.parametrize("name", ["gallery", "maps", "features"])
def test_a_set_of_another_configuration_is_not_drawn(params, sources, name):
    config = figure_config(params, Drawing(name, "digits", 2))
    planned = [made | {"distill": made["distill"] | {"image_lr": 9.0}} for made in config["sets"]]
    with pytest.raises(
        UserError, match=r"idc/seed0.safetensors: made with another configuration: distill.image_lr is .*, planned 9.0"
    ):
        {"gallery": gallery, "maps": maps, "features": features}[name].draw(config | {"sets": planned}, sources)


def test_the_lengths_of_one_configuration_are_one_line_over_iterations_and_minutes(params, sources, monkeypatch):
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
    assert schedule.draw(config, sources).axes[1].get_xlabel() == "minutes"
    two = {key: [*runs, *(run._replace(seed=1) for run in runs)] for key, runs in groups.items()}
    monkeypatch.setattr(schedule, "read", lambda _: two)
    assert schedule.draw(config, sources).axes[1].get_xlabel() == "minutes of the first set"
    monkeypatch.undo()
    with pytest.raises(UserError, match="no evaluation of MNIST, 2 images per class that the figure asks for"):
        schedule.draw(config | {"dataset": "mnist"}, sources)


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


def test_by_hand_collected_files_may_lie_elsewhere(params, sources, tmp_path, capsys, monkeypatch):
    collected = tmp_path / "collected"
    collected.mkdir()
    for name in ("accuracy.csv", "utilization.csv"):
        shutil.copy(sources.collected / name, collected)
    bare = tmp_path / "results"
    shutil.copytree(sources.results, bare, ignore=shutil.ignore_patterns("accuracy.csv", "utilization.csv"))
    monkeypatch.setattr("udd.reports.figures.draw.load_params", lambda _: params)
    run(["--results", str(bare), "utilization"])
    assert f"left out, {bare}/accuracy.csv is not there yet" in capsys.readouterr().out
    run(["--results", str(bare), "--collected", str(collected), "utilization"])
    assert capsys.readouterr().out.strip() == str(bare / "figures" / "utilization-digits-ipc2.png")


def test_every_drawing_of_the_parameters_has_its_inputs_named():
    params = load(["params.yaml"])
    for drawing in drawings(params):
        assert bool(inputs(params, drawing)) == (drawing.name != "spread")
    assert "synthetic/cifar10/ipc10/udd/seed0.safetensors" in inputs(params, Drawing("maps", "cifar10", 10))
    assert len(inputs(params, Drawing("curves", "cifar10", 10))) == 6


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
