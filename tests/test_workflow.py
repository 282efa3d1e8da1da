"""The acceptance table of the workflow: which edit runs which jobs. Counted on tiny data, in copies of one
workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest
from workspace import Workspace, after, jobs

Edit = Callable[[Workspace], object]


def test_from_nothing_everything_runs_once(built: Workspace) -> None:
    """Five cells, although two tables ask for one of them."""
    ran = jobs((built.path / "first-run.log").read_text())
    report = {"collect": 1, "collect_request": 2, "tables": 2, "pdf": 1, "figures": 1}
    assert ran == {"data": 2, "coresets": 2, "distill": 3, "evaluate": 5} | report
    assert built.planned() == {}


def momenta(first: float, second: float) -> Edit:
    """Set two parameters of one data set."""
    return lambda w: w.edit(datasets={"small": {"distill": {"image_momentum": first, "net_momentum": second}}})


EDITS: dict[str, tuple[Edit, dict[str, int]]] = {
    "a data set's learning rate": (
        lambda w: w.edit(datasets={"small": {"distill": {"image_lr": 0.1}}}),
        after(distill=1, evaluate=1),
    ),
    "a variant": (lambda w: w.edit(variants={"udd-nocfc": {"udd": {"policy": "vote"}}}), after(distill=1, evaluate=1)),
    "cached networks": (
        lambda w: w.edit(datasets={"small": {"distill": {"networks": "cached"}}}),
        after(cache=2, distill=1, evaluate=1),
    ),
    "the evaluation's epochs": (lambda w: w.edit(evaluate={"epochs": 2}), after(2, evaluate=5)),
    "one evaluation seed more": (lambda w: w.edit(seeds={"evaluate": [0, 1]}), after(2, evaluate=5)),
    "a variant more in a table": (
        lambda w: w.edit(tables={"cfc": {"variants": ["idc", "udd-nocfc", "udd"]}}),
        after(distill=1, evaluate=1),
    ),
    "a variant that is evaluated otherwise": (
        lambda w: w.edit(
            variants={"udd-nocfc-wide": {"sets": "udd-nocfc", "evaluate": {"epochs": 2}}},
            tables={"cfc": {"variants": ["udd-nocfc", "udd", "udd-nocfc-wide"]}},
        ),
        after(evaluate=1),
    ),
    "white space": (lambda w: w.replace("params.yaml", "seeds:", "\n\nseeds:"), {}),
    "a comment": (lambda w: w.replace("udd/methods/udd.py", "\n\n\ndef ", "\n\n\n# a comment\ndef "), {}),
    "a docstring": (lambda w: w.replace("udd/methods/udd.py", '"""', '"""Said otherwise. '), {}),
    "a module that distill imports": (
        lambda w: w.replace("udd/objectives/losses.py", "\n\n\ndef ", "\n\n\nNEW = 1\n\n\ndef "),
        after(2, distill=3, evaluate=3),
    ),
    "the tables' code": (
        lambda w: w.replace("udd/reports/tables.py", "\n\n\ndef ", "\n\n\nNEW = 1\n\n\ndef "),
        {"tables": 2, "pdf": 1},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_runs_what_it_asks_for(workspace: Workspace, name: str) -> None:
    """Each line: the edit, and the jobs of each rule that follow from it."""
    edit, expected = EDITS[name]
    edit(workspace)
    assert workspace.planned() == expected


def test_a_cache_is_made_once_and_again_only_for_a_set_that_is_made(workspace: Workspace) -> None:
    """Deleted, it is not missed; a further network joins those that are there; a further set brings it
    back, and no other is made again."""
    cache = workspace.path / "results/cache"
    udd, idc = (f"results/synthetic/small/ipc1/{name}/seed0.safetensors" for name in ("udd", "idc"))
    workspace.edit(datasets={"small": {"distill": {"networks": "cached"}}})
    workspace.run("snakemake", "--cores", "2", udd)
    assert workspace.planned(udd) == {} and len(list(cache.rglob("*.safetensors"))) == 2
    workspace.edit(datasets={"small": {"distill": {"cache_networks": 3}}})
    assert jobs(workspace.run("snakemake", "--cores", "2", udd)) == {"cache": 1, "distill": 1}
    shutil.rmtree(cache)
    assert workspace.planned(udd) == {}
    workspace.edit(tables={"main": {"variants": ["random", "udd", "idc"]}})
    assert jobs(workspace.run("snakemake", "--cores", "2", udd, idc)) == {"distill": 1}
    assert len(list(cache.rglob("*.safetensors"))) == 3
    workspace.replace("udd/proxies/caching.py", "\n\n\ndef ", "\n\n\nNEW = 1\n\n\ndef ")
    assert workspace.planned(udd, idc) == {"cache": 3, "distill": 2}
    # digits' IDC meets fresh networks
    assert workspace.planned() == after(cache=3, distill=3, evaluate=3)


def test_two_swapped_values_are_a_change(workspace: Workspace) -> None:
    """The same values under other keys: Snakemake alone, which compares sets of values, would see none."""
    changed = "results/synthetic/small/ipc1/udd/seed0.safetensors"
    momenta(0.3, 0.6)(workspace)
    workspace.run("snakemake", "--cores", "2", changed)
    assert workspace.planned(changed) == {}
    momenta(0.6, 0.3)(workspace)
    assert workspace.planned() == after(distill=1, evaluate=1)


def test_figures_of_networks_and_the_report(workspace: Workspace) -> None:
    """Activation maps and utilisation ask for networks trained on real images; the report holds every table and
    figure."""
    request = {"datasets": ["digits"], "ipc": [1], "variants": ["udd"]}
    workspace.edit(figures={"utilization": request, "maps": request})
    assert workspace.planned() == {"proxies": 1, "utilization": 1, "figures": 2, "collect": 1, "collect_request": 1}
    workspace.run("snakemake", "--cores", "2")
    assert workspace.planned() == {}
    workspace.run("snakemake", "--report", "report.html")
    report = (workspace.path / "report.html").read_text()
    for name in ("maps-digits-ipc1.png", "utilization-digits-ipc1.png", "spread.png", "main.csv", "cfc.tex"):
        assert any((workspace.path / "results").rglob(name)) and name in report, name


def test_a_dropped_variant_leaves_orphans_that_are_listed(workspace: Workspace) -> None:
    """Only what collects and tabulates runs; the files stay, and are named."""
    workspace.edit(tables={"cfc": {"variants": ["udd"]}})
    said = workspace.run("snakemake", "--cores", "2")
    assert jobs(said) == after()
    assert "results/synthetic/digits/ipc1/udd-nocfc/seed0.safetensors" in said


def test_a_further_network_is_trained_alone(workspace: Workspace) -> None:
    """One evaluation seed more: the record keeps the networks that it has, bit for bit."""
    path = workspace.path / "results/accuracy/digits/ipc1/random/seed0/idc/convnet3.json"
    before = json.loads(path.read_text())["networks"]["0"]
    workspace.edit(seeds={"evaluate": [0, 1]})
    workspace.run("snakemake", "--cores", "2")
    after = json.loads(path.read_text())["networks"]
    assert after.keys() == {"0", "1"} and after["0"] == before
    log = (workspace.path / "results/logs/evaluate/digits/ipc1/random/seed0/idc/convnet3.log").read_text()
    assert "network 1 epoch" in log and "network 0 epoch" not in log
