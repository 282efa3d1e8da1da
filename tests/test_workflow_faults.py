"""What people's habits do to a workflow that has run, or has not: pulls after jobs,
tables made by hand, forced checkouts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from workspace import REPOSITORY, Workspace, after, jobs

from udd.workflow import VERSIONED

MANIFEST = "results/data/small.json"
RECORD = "results/accuracy/small/ipc1/random/seed0/idc/convnet3.json"


def unreleased(built: Workspace, path: Path) -> Workspace:
    """A clone of a repository in which nothing has been computed: empty folders in dvc.lock, as in this one, and
    neither tables nor records."""
    author = built.clone(path)
    shutil.rmtree(author.path / "results")
    for folder in VERSIONED:
        (author.path / "results" / folder).mkdir(parents=True)
    author.commit("nothing yet")
    lock = yaml.safe_load((author.path / "dvc.lock").read_text())
    kept = {key: lock["stages"]["results"][key] for key in ("cmd", "outs")}
    (author.path / "dvc.lock").write_text(yaml.safe_dump(lock | {"stages": {"results": kept}}))
    author.run("git", "commit", "-qam", "a lock that names no code")
    return author


def test_a_pull_after_a_job_pulls_and_edits_are_noticed(built: Workspace, tmp_path: Path) -> None:
    """The job's file is one that git would keep; by force or not, Snakemake's records stay."""
    clone = unreleased(built, tmp_path / "clone")
    clone.run("snakemake", "--cores", "2", MANIFEST)
    for force in ((), ("--force",)):
        clone.run("dvc", "pull", *force)
        assert clone.planned(MANIFEST) == {}
    clone.edit(datasets={"small": {"size": 12}})
    assert clone.planned(MANIFEST) == {"data": 1}


def test_udd_pull_brings_the_rest_and_keeps_what_jobs_made(built: Workspace, tmp_path: Path) -> None:
    """`dvc pull` refuses rather than delete a job's record; `udd pull` adds what is absent, after
    which only the edit runs."""
    clone = built.clone(tmp_path / "clone")
    clone.edit(datasets={"small": {"evaluate": {"epochs": 2}}})
    clone.run("snakemake", "--cores", "2", RECORD)
    made = (clone.path / RECORD).read_bytes()
    (clone.path / RECORD).with_name("mine.json").write_text("{}")
    assert "mine.json" in clone.run("dvc", "pull", fails=True)
    said = clone.run("python", "-m", "udd", "pull")
    assert f"not as listed: {RECORD}" in said
    assert (clone.path / RECORD).read_bytes() == made and (clone.path / RECORD).with_name("mine.json").exists()
    assert clone.planned() == after(evaluate=1)
    assert "0 files added" in clone.run("python", "-m", "udd", "pull")
    clone.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "cache"))  # as where several people share one
    next((clone.path / "results/curves").rglob("*.csv")).unlink()
    shutil.rmtree(clone.path / "results/utilization")
    assert ": 1 files added" in clone.run("python", "-m", "udd", "pull")
    assert (clone.path / "results/utilization").is_dir()  # empty, and listed


def test_a_file_put_back_has_the_record_of_its_content(workspace: Workspace) -> None:
    """Remade after an edit, then DVC's again: what is here was made before the edit, so it is made once more."""
    workspace.edit(datasets={"small": {"evaluate": {"epochs": 2}}})
    assert jobs(workspace.run("snakemake", "--cores", "2")) == after(evaluate=2)
    assert workspace.planned() == {}
    workspace.run("dvc", "checkout", "--force")
    assert workspace.planned()["evaluate"] == 2


def test_a_table_made_by_hand_is_not_taken_for_a_finished_one(built: Workspace, tmp_path: Path) -> None:
    """Of dashes, where nothing is evaluated; or over a finished one. The files are left alone until
    the workflow makes theirs."""
    clone = unreleased(built, tmp_path / "clone")
    before = clone.planned("results/tables/cfc.tex")
    assert before["evaluate"] == 2
    for verb in ("collect", "tables", "pdf"):
        clone.run("python", "-m", "udd", verb)
    assert clone.planned("results/tables/cfc.tex") == before
    full = built.copy(tmp_path / "full")
    text = (full.path / "results/tables/cfc.tex").read_text()
    full.replace("results/tables/cfc.tex", "table", "tabel")
    assert full.planned("results/tables/cfc.tex") == {"tables": 1}
    full.run("snakemake", "--cores", "2", "results/tables/cfc.tex")
    assert (full.path / "results/tables/cfc.tex").read_text() == text
    assert full.planned() == {}


def test_results_moved_without_snakemakes_folder_need_nothing(workspace: Workspace) -> None:
    """snakemake.jsonl moves with them; it is written by a run, or by `udd records`."""
    shutil.rmtree(workspace.path / ".snakemake")
    assert workspace.planned() == {}
    (workspace.path / "results/snakemake.jsonl").unlink()
    workspace.run("python", "-m", "udd", "records", "results")
    shutil.rmtree(workspace.path / ".snakemake")
    assert workspace.planned() == {}


def test_what_a_killed_run_made_stays_and_history_still_counts(workspace: Workspace) -> None:
    """Manifests made to the same bytes by other code, by a run that could not note it down; a start of Snakemake in the
    meantime changes nothing."""
    notes = [workspace.path / "results/snakemake.jsonl", workspace.path / ".snakemake/known.json"]
    before = [path.read_bytes() for path in notes]
    with (workspace.path / "udd/data/depth.py").open("a") as code:
        code.write("UNUSED = 1\n")
    assert "distill" in workspace.planned()
    workspace.run("snakemake", "--cores", "2", "--until", "data")
    after = [path.read_bytes() for path in notes]
    for path, content in zip(notes, before, strict=True):
        path.write_bytes(content)  # as kill -9 leaves them, or `snakemake -n` beside the run finds them
    for _ in range(2):
        assert workspace.planned() == {}
    for path, content in zip(notes, after, strict=True):
        path.write_bytes(content)
    workspace.run("git", "checkout", "-q", "udd", "results/snakemake.jsonl")
    assert workspace.planned() == {}


def test_repro_with_nothing_evaluated_says_so(built: Workspace, tmp_path: Path) -> None:
    """Instead of "didn't change": the lock names neither code nor parameters, and the command begins with that line."""
    clone = unreleased(built, tmp_path / "clone")
    assert "udd check-lock" in clone.run("dvc", "repro", "--dry")
    assert "nothing is evaluated yet" in clone.run("python", "-m", "udd", "check-lock")


def test_git_has_no_results_of_the_paper_before_they_are_computed() -> None:
    """A table of dashes would pass for a finished one; a lock that names the present code would make `dvc repro`
    say that nothing changed."""
    (stage,) = yaml.safe_load((REPOSITORY / "dvc.lock").read_text())["stages"].values()
    if not any(out["nfiles"] for out in stage["outs"]):
        found = Workspace(REPOSITORY).run("git", "ls-files", "results").split()
        assert not [path for path in found if not path.startswith("results/cpu")]
        assert "deps" not in stage and "params" not in stage, "nothing is computed: git checkout dvc.lock"


@pytest.mark.parametrize("pipeline", ["dvc.yaml", "experiments/dvc.yaml"])
def test_snakemakes_folder_is_not_dvcs(pipeline: str) -> None:
    """A pull would refuse, or delete records, after any job."""
    assert ".snakemake" not in (REPOSITORY / pipeline).read_text()


LABELS = re.compile(r'"(results/[^"]+)": \{"name": "[^"]+", "filename": "[^"]+", "labels": (\{[^}]*\})')


def test_each_file_of_the_report_has_a_row_of_its_own(workspace: Workspace, tmp_path: Path) -> None:
    """The page lists files by their labels: of those with the same labels it shows the last. Without
    results it says what to run."""
    workspace.run("snakemake", "--report", "report.html")
    found = dict(LABELS.findall((workspace.path / "report.html").read_text()))
    assert {
        f"results/tables/{name}.{form}" for name in ("main", "cfc") for form in ("tex", "md", "csv")
    } <= found.keys()
    assert len(set(found.values())) == len(found)
    (workspace.path / "results/tables/main.md").unlink()
    assert "results/tables/main.md is not made yet; run snakemake first" in workspace.run(
        "snakemake", "--report", "no.html", fails=True
    )
    workspace.run("snakemake", "--report", "one.html", "results/tables/cfc.tex")
    clone = unreleased(workspace, tmp_path / "clone")
    assert "other files are not made yet; run snakemake first" in clone.run(
        "snakemake", "--report", "no.html", fails=True
    )
    assert not (clone.path / "no.html").exists()


def test_the_last_words_show_the_tables_that_were_asked_for(workspace: Workspace) -> None:
    """None for a manifest; the main one, if it is among them."""
    assert "**Table 1.**" in (workspace.path / "first-run.log").read_text()
    said = workspace.run("snakemake", "--cores", "1", "--forcerun", "data", "--", MANIFEST)
    assert "logs: " in said and "**Table" not in said
    said = workspace.run("snakemake", "--cores", "1", "--forcerun", "tables", "--", "results/tables/cfc.tex")
    assert "**Table 4.**" in said and "**Table 1.**" not in said
