"""The pages of sets by the workflow: which there are, what they show, that the report holds them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from test_plan import small
from workspace import REQUEST, Workspace, jobs

from udd.config import drawings, requested
from udd.workflow import page_of, page_options, wanted

FOLDER = "results/pages/digits/ipc1"


def test_a_page_shows_one_evaluation_and_the_full_data_set_has_none() -> None:
    """The first protocol and architecture that are asked for; its set is evaluated, and it is no drawing."""
    asked = {"datasets": ["cifar10"], "ipc": [10], "variants": ["idc", "full"], "architectures": ["vgg11", "convnet3"]}
    found = small(figures={"pages": asked}, seeds={"distill": [0, 1], "evaluate": [0]})
    assert [record.path for record in requested.pages(found)] == [
        f"cifar10/ipc10/idc/seed{seed}/idc/vgg11.json" for seed in (0, 1)
    ]
    assert requested.all_records(found) == requested.pages(found) and [
        drawing.stem for drawing in drawings.drawings(found)
    ] == ["spread"]
    assert {f"pages/cifar10/ipc10/idc/seed{seed}.html" for seed in (0, 1)} <= set(wanted(found))
    assert requested.pages(small()) == []
    assert not [path for path in wanted(found) if path.startswith("tables/")]  # without tables there is no PDF of them


def test_pages_are_made_of_what_is_there_and_stand_in_the_report(workspace: Workspace) -> None:
    """A request for pages makes nothing else again but what is collected of all parameters."""
    workspace.edit(figures={"pages": REQUEST | {"variants": ["random", "udd"]}})
    assert jobs(workspace.run("snakemake", "--cores", "1")) == {"page": 2, "collect": 1}
    page = (workspace.path / FOLDER / "udd/seed0.html").read_text()
    assert all(
        word in page
        for word in (
            "<h2>Accuracy</h2>",
            "ConvNet-3, protocol idc, 1 epochs",
            "<polyline",
            "UCI",
            "distill.outer",
            "By class",
        )
    )
    assert "<h2>Loss</h2>" not in (workspace.path / FOLDER / "random/seed0.html").read_text()
    assert not list((workspace.path / "results/synthetic").rglob("*.png")) and workspace.planned() == {}
    workspace.run("snakemake", "--report", "report.html")
    assert f"{FOLDER}/udd/seed0.html" in (workspace.path / "report.html").read_text()
    Path(workspace.path / FOLDER / "udd/seed0.html").unlink()
    assert "udd/seed0.html is not made yet; run snakemake first" in workspace.run(
        "snakemake", "--report", "no.html", fails=True
    )


def test_a_page_calls_its_method_by_the_label_of_its_variant() -> None:
    files = {"set": "a b.safetensors", "record": "r.json", "curve": "c.csv"}
    made = small(
        variants={"udd": {"label": "-CFC, as printed"}, "idc": {"method": "idc"}},
        datasets={"digits": {"kind": "digits", "label": "Ten"}},
    )
    asked = Namespace(variant="udd", dataset="digits")
    assert (
        page_options(made, asked, files)
        == "--record=r.json --curve=c.csv --label='-CFC, as printed' --dataset-label=Ten"
    )
    asked = Namespace(variant="idc", dataset="mnist")
    assert page_options(small(), asked, {"set": "s", "record": "r.json"}) == "--record=r.json"


def test_a_page_that_no_request_names_is_made_where_it_is_asked_for(workspace: Workspace) -> None:
    """By the usual protocol, of any set that the parameters can name."""
    assert workspace.planned(f"{FOLDER}/udd-nocfc/seed0.html") == {"page": 1}
    assert workspace.planned(f"{FOLDER}/idc/seed0.html") == {"distill": 1, "evaluate": 1, "page": 1}


def test_a_page_by_name_shows_what_is_planned_of_its_set() -> None:
    asked = {"datasets": ["digits"], "ipc": [1], "variants": ["idc"], "protocols": ["epochs300"]}
    made = small(tables={"main": asked | {"architectures": ["alexnet"]}})
    wildcards = Namespace(dataset="digits", ipc="1", variant="idc", seed="0")
    assert page_of(made, wildcards)["record"] == "results/accuracy/digits/ipc1/idc/seed0/epochs300/alexnet.json"
    wildcards.variant = "udd"
    assert page_of(made, wildcards)["record"] == "results/accuracy/digits/ipc1/udd/seed0/idc/convnet3.json"
