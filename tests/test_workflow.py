"""The acceptance table of the workflow: which action runs which jobs. Counted on tiny data, in copies of one
workspace."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace import Workspace, build, environment, jobs

from udd.workflow import VERSIONED

Edit = Callable[[Workspace], object]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One workspace for all workers, in which everything has run once. Not to be changed: copy it."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    path = root / "workspace"
    with open(root / "workspace.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return Workspace(path) if (path / "first-run.log").exists() else build(path)


@pytest.fixture
def workspace(built: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return built.copy(tmp_path / "workspace")


def test_from_nothing_everything_runs_once(built: Workspace) -> None:
    """Five cells, although two tables ask for one of them."""
    ran = jobs((built.path / "first-run.log").read_text())
    report = {"collect": 1, "collect_request": 2, "tables": 2, "pdf": 1, "figures": 1}
    assert ran == {"data": 2, "coresets": 2, "distill": 3, "evaluate": 5} | report
    assert built.planned() == {}


def after(request: int = 1, **computed: int) -> dict[str, int]:
    """Those jobs, and what collects and tabulates their records in `request` tables."""
    return computed | {"collect": 1, "collect_request": request, "tables": request, "pdf": 1}


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


def test_an_evaluation_seed_more_trains_one_network_and_a_failure_loses_none(workspace: Workspace) -> None:
    """The second network of the full record joins the first; of a job that fails with its third,
    the second is not trained again."""
    record = workspace.path / "results/accuracy/small/ipc1/udd/seed0/idc/convnet3.json"
    log = workspace.path / "results/logs/evaluate/small/ipc1/udd/seed0/idc/convnet3.log"
    target, first = str(record.relative_to(workspace.path)), json.loads(record.read_text())["networks"]
    job = workspace.path / "udd/evaluation/records.py"
    whole = job.read_text()
    workspace.edit(seeds={"evaluate": [0, 1, 2]})
    failing = (
        'def evaluate(config, *rest):\n    if config["network"] == 2:\n        raise UserError("no third network")\n'
    )
    workspace.replace(
        "udd/evaluation/records.py",
        "def record(",
        f"whole = evaluate\n\n\n{failing}    return whole(config, *rest)\n\n\ndef record(",
    )
    assert "no third network" in workspace.run("snakemake", "--cores", "1", target, fails=True)
    assert not record.exists()  # or it would pass for finished
    job.write_text(whole)
    workspace.run("snakemake", "--cores", "1", target)
    assert (
        "network 2 epoch" in (said := log.read_text())
        and "network 0 epoch" not in said
        and "network 1 epoch" not in said
    )
    found = json.loads(record.read_text())["networks"]
    assert found.keys() == {"0", "1", "2"} and found["0"] == first["0"] and not list(record.parent.glob("*.part"))


def test_a_cache_is_made_once_and_again_only_for_a_set_that_is_made(workspace: Workspace) -> None:
    """Deleted, it is not missed; a further network joins those that are there; a further set brings it
    back, and no other is made again."""
    cache = workspace.path / "results/cache"
    workspace.edit(datasets={"small": {"distill": {"networks": "cached"}}})
    workspace.run("snakemake", "--cores", "2")
    assert workspace.planned() == {} and len(list(cache.rglob("*.safetensors"))) == 2
    workspace.edit(datasets={"small": {"distill": {"cache_networks": 3}}})
    assert jobs(workspace.run("snakemake", "--cores", "2")) == after(cache=1, distill=1, evaluate=1)
    shutil.rmtree(cache)
    assert workspace.planned() == {}
    workspace.edit(tables={"main": {"variants": ["random", "udd", "idc"]}})
    # digits' IDC meets fresh networks
    assert jobs(workspace.run("snakemake", "--cores", "2")) == after(distill=2, evaluate=2)
    assert len(list(cache.rglob("*.safetensors"))) == 3
    workspace.replace("udd/proxies/caching.py", "\n\n\ndef ", "\n\n\nNEW = 1\n\n\ndef ")
    assert workspace.planned() == after(cache=3, distill=2, evaluate=2)


def test_two_swapped_values_are_a_change(workspace: Workspace) -> None:
    """The same values under other keys: Snakemake alone, which compares sets of values, would see none."""
    momenta(0.3, 0.6)(workspace)
    workspace.run("snakemake", "--cores", "2")
    assert workspace.planned() == {}
    momenta(0.6, 0.3)(workspace)
    assert workspace.planned() == after(distill=1, evaluate=1)


def test_repro_after_all_runs_nothing_twice(workspace: Workspace) -> None:
    """DVC itself sees that nothing has changed."""
    for _ in range(2):
        assert "didn't change" in workspace.run("dvc", "repro")
    assert "Nothing to be done" in workspace.run("snakemake", "--cores", "2")


def test_fresh_clone_and_pull_need_nothing_then_what_an_edit_asks(built: Workspace, tmp_path: Path) -> None:
    """Files have new times and there is no cache but the remote; then DVC commits what the edit
    made, and says what changed."""
    clone = built.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    assert clone.planned() == {}
    assert "Nothing to be done" in clone.run("snakemake", "--cores", "2")
    clone.edit(datasets={"small": {"evaluate": {"epochs": 2}}})
    assert jobs(clone.run("dvc", "repro")) == after(evaluate=2)
    assert "up to date" in clone.run("dvc", "status")
    assert "datasets.small.evaluate.epochs" in clone.run("dvc", "params", "diff")
    assert clone.planned() == {}


def test_a_number_that_changed_is_told(workspace: Workspace) -> None:
    """In a table that a person can read: file, metric, before, after, change."""
    workspace.replace("results/metrics.json", '"n": 1', '"n": 3')
    (line,) = [line for line in workspace.run("dvc", "metrics", "diff").splitlines() if "results/metrics.json" in line]
    assert line.split()[-3:] == ["1", "3", "2"] and ".ipc1." in line


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


def test_some_cells_can_be_released_alone(built: Workspace, tmp_path: Path) -> None:
    """`dvc pull` is content with a dvc.lock of empty folders; then one cell is made, committed,
    pulled, and not made again."""
    author = built.clone(tmp_path / "author")
    shutil.rmtree(author.path / "results")
    for folder in VERSIONED:
        (author.path / "results" / folder).mkdir(parents=True)
    author.commit("nothing yet")
    everything = author.planned()
    author.run("snakemake", "--cores", "2", "results/accuracy/digits/ipc1/random/seed0/idc/convnet3.json")
    author.commit("one cell")
    reader = author.clone(tmp_path / "reader")
    reader.run("git", "checkout", "-q", "HEAD~1")
    reader.run("dvc", "pull")
    assert reader.planned() == everything
    reader.run("git", "checkout", "-q", "main")
    reader.run("dvc", "pull")
    assert reader.planned() == everything | {"data": 1, "coresets": 1, "evaluate": 4}


def test_sets_that_are_absent_are_not_made_again_nor_forgotten(built: Workspace, tmp_path: Path) -> None:
    """Records alone say that nothing is to be done; `dvc repro` with an edit refuses to drop the sets from dvc.lock."""
    clone = built.clone(tmp_path / "clone")
    clone.run("dvc", "pull", "results/accuracy")
    clone.replace("params.yaml", "seeds:", "\n\nseeds:")
    assert clone.planned() == {}
    before = (clone.path / "dvc.lock").read_text()
    clone.edit(evaluate={"epochs": 2})
    assert "results/synthetic has 0 of 5 files: run dvc pull" in clone.run("dvc", "repro", fails=True).replace(";", ":")
    assert (clone.path / "dvc.lock").read_text() == before


def test_an_older_revision_needs_nothing(workspace: Workspace) -> None:
    """Back and forth in history: git and DVC together bring results that are up to date."""
    workspace.edit(datasets={"small": {"distill": {"image_lr": 0.1}}})
    workspace.run("snakemake", "--cores", "2")
    workspace.commit("another learning rate")
    for revision in ("HEAD~1", "main"):
        workspace.run("git", "checkout", "-q", revision)
        workspace.run("dvc", "checkout")
        assert workspace.planned() == {}


def test_a_dropped_variant_leaves_orphans_that_are_listed(workspace: Workspace) -> None:
    """Only what collects and tabulates runs; the files stay, and are named."""
    workspace.edit(tables={"cfc": {"variants": ["udd"]}})
    said = workspace.run("snakemake", "--cores", "2")
    assert jobs(said) == after()
    assert "results/synthetic/digits/ipc1/udd-nocfc/seed0.safetensors" in said


def running(workspace: Workspace, module: str) -> int | None:
    """The process of a module that runs in a workspace."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (
                module.encode() in words
                and words[0].endswith(b"python")
                and (process / "cwd").readlink() == workspace.path
            ):
                return int(process.name)
        except OSError:
            continue
    return None


def test_a_killed_job_goes_on_from_its_checkpoint(workspace: Workspace) -> None:
    """SIGKILL in the middle of one distillation: the message names it; the next run goes on, and repeats nothing
    else."""
    workspace.edit(datasets={"small": {"distill": {"outer": 30, "inner": 4}}})
    variables = environment() | {"UDD_DISTILL_OPTIONS": "--checkpoint-seconds 0"}
    call = {
        "cwd": workspace.path,
        "env": variables,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }
    snakemake = subprocess.Popen(["snakemake", "--cores", "2"], **call)
    checkpoints, deadline = workspace.path / "results" / "checkpoints", time.monotonic() + 240
    while not list(checkpoints.rglob("*.safetensors")):
        assert time.monotonic() < deadline and snakemake.poll() is None, snakemake.communicate()[0]
        time.sleep(0.02)
    process = running(workspace, "distill")
    assert process is not None
    os.kill(process, signal.SIGKILL)
    said, _ = snakemake.communicate(timeout=300)
    assert snakemake.returncode != 0
    assert "failed: distill small 1 udd 0" in said
    said = workspace.run("snakemake", "--cores", "2")
    assert jobs(said) == after(distill=1, evaluate=1)
    assert "goes on from" in said


def test_a_failing_cell_stops_no_other_and_is_named(workspace: Workspace) -> None:
    """One cell asks for more images a class than there are; a time limit ends another at a
    checkpoint. The rest is made."""
    workspace.edit(tables={"kip": {"datasets": ["digits"], "ipc": [500], "variants": ["udd"]}})
    workspace.edit(datasets={"small": {"distill": {"outer": 3}}}, seeds={"evaluate": [0, 1]})
    said = workspace.run("snakemake", "--cores", "2", fails=True, UDD_DISTILL_OPTIONS="--time-limit 0")
    last = said[said.rindex("failed: distill digits") :]
    assert "failed: distill digits 500 udd 0\n  error: ipc 500" in last
    assert "log: results/logs/distill/digits/ipc500/udd/seed0.log" in last
    assert (
        "failed: distill small 1 udd 0\n  stopped by time limit after 1 of 6 iterations; run the same command again"
        in last
    )
    assert (workspace.path / "results/accuracy/digits/ipc1/udd/seed0/idc/convnet3.json").exists()


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


def test_a_set_made_elsewhere_in_slices_takes_its_place(workspace: Workspace, tmp_path: Path) -> None:
    """A cell is distilled without the workflow, one step a slice, from its configuration, manifest and packed
    data, and put in its place."""
    workspace.edit(datasets={"small": {"distill": {"image_lr": 0.1}}})
    config, made = tmp_path / "cell.json", tmp_path / "seed0.safetensors"
    config.write_text(
        workspace.run("python", "-m", "udd", "plan", "--dataset", "small", "--ipc", "1", "--variant", "udd")
    )
    given = ["--config", str(config), "--manifest", "results/data/small.json", "--root", "data", "--out", str(made)]
    slices = 0
    while not made.exists():
        # Four iterations
        workspace.run("python", "-m", "udd", "distill", *given, "--time-limit", "0", fails=slices < 3)
        slices += 1
    place = "small/ipc1/udd/seed0"
    shutil.copy(made, workspace.path / f"results/synthetic/{place}.safetensors")
    shutil.copy(made.with_suffix(".csv"), workspace.path / f"results/curves/{place}.csv")
    workspace.run("snakemake", "--touch", f"results/synthetic/{place}.safetensors")
    assert workspace.planned() == after(evaluate=1)
