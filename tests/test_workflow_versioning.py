"""The workflow under git and DVC: clones, pulls, old revisions, cells that are released alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from workspace import Workspace, after, jobs

from udd.workflow import VERSIONED


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
