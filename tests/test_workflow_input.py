"""What people get wrong before any work: one line, a failure, and nothing done. And how jobs are
run: GPUs, environment, reports."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from workspace import COPIED, REPOSITORY, Workspace, tiny_params

from udd import workflow as flow
from udd.config import requested
from udd.config.params import load
from udd.errors import UserError
from udd.workflow import end, records, start

WRONG = {
    "unknown key": ("udd: {polcy: vote}", r"unknown key 'polcy' in udd; did you mean 'policy'"),
    "number that YAML reads as text": (
        "distill: {image_lr: 1e-4}",
        r"distill.image_lr: found the text '1e-4', expected a number",
    ),
    "wrong type": ("evaluate: {epochs: many}", r"evaluate.epochs: found 'many'"),
    "out of range": ("distill: {image_momentum: 1.5}", r"distill.image_momentum: found 1.5, expected less than 1"),
    "unknown data set": ("tables: {main: {datasets: [cifra10]}}", r"tables.main.datasets: 'cifra10' is not declared"),
    "unknown policy": (
        "variants: {udd: {udd: {policy: vot}}}",
        r"variants.udd.udd.policy: found 'vot'; did you mean 'vote'",
    ),
    "unknown architecture": (
        "tables: {main: {architectures: [resnet]}}",
        r"tables.main.architectures.0: found 'resnet'",
    ),
    "move on fresh networks": (
        "distill: {image_move: 0.01}",
        r"found image_move: 0.01 for udd and networks: fresh; it asks for",
    ),
    "variants called alike": (
        "variants: {random: {label: UDD}}",
        r"tables.main.variants: found random and udd, which are both called 'UDD'",
    ),
    "P > N": ("udd: {selected: 13}", r"P = 13 windows of N = 12 candidates"),
}


@pytest.fixture
def repository(tmp_path: Path) -> Workspace:
    """The workflow's files alone; nothing is run."""
    for name in ("Snakefile", "udd", "workflow", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params()))
    return Workspace(tmp_path)


@pytest.mark.parametrize("name", WRONG)
def test_bad_parameters_are_one_line_before_any_work(repository: Workspace, name: str) -> None:
    """Laid over params.yaml by --configfile: the line names the key, what was found and what was expected."""
    text, said = WRONG[name]
    (repository.path / "over.yaml").write_text(text)
    out = repository.run("snakemake", "--cores", "1", "--configfile", "over.yaml", fails=True)
    lines = [line for line in out.splitlines() if "error" in line.lower()]
    assert len(lines) == 1 and lines[0].startswith("error: params.yaml + over.yaml: ") and re.search(said, lines[0]), (
        out
    )
    assert "Traceback" not in out
    assert not (repository.path / "results").exists()


def test_a_file_that_is_not_yaml_is_named(repository: Workspace) -> None:
    """With line and column."""
    (repository.path / "params.yaml").write_text("udd: {policy: [vote}\n")
    out = repository.run("snakemake", "-n", fails=True)
    assert re.search(r"error: .*params.yaml: not YAML \(.*line 1, column", out), out


def test_the_paper_is_planned_in_seconds_and_one_file_asks_for_its_own_cells(repository: Workspace) -> None:
    """params.yaml as it stands: nearly two thousand jobs; Table 2 alone needs CIFAR-10 at IPC 10 and no more."""
    (repository.path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    params = load([REPOSITORY / "params.yaml"])
    assert repository.planned()["evaluate"] == len(requested.all_records(params))
    policy = repository.planned("results/tables/policy.tex")
    assert policy == {"data": 1, "coresets": 6, "distill": 18, "evaluate": 24, "collect_request": 1, "tables": 1}


def test_a_table_that_nobody_asked_for_does_not_exist(repository: Workspace) -> None:
    """params.yaml has no such table; Snakemake says that no rule makes it."""
    assert "results/tables/kip.tex" in repository.run("snakemake", "-n", "results/tables/kip.tex", fails=True)


def test_the_table_of_cost_is_planned_as_any_other(repository: Workspace) -> None:
    """Its sets and their evaluations; what jobs note down beside their curves is no file that the workflow asks for."""
    repository.edit(tables={"cost": {"datasets": ["digits"], "ipc": [1], "variants": ["random", "udd"]}})
    planned = repository.planned("results/tables/cost.md")
    assert planned == {"data": 1, "coresets": 1, "distill": 1, "evaluate": 2, "collect_request": 1, "tables": 1}


def test_a_label_with_braces_is_no_wildcard(repository: Workspace) -> None:
    """Snakemake looks for wildcards in whatever text a rule has."""
    repository.edit(variants={"udd": {"label": "UDD {x} $y$"}})
    assert repository.planned("results/accuracy.csv")["collect"] == 1


def test_the_linter_finds_nothing(repository: Workspace) -> None:
    """snakemake --lint."""
    assert "Congratulations" in repository.run("snakemake", "--lint")


class Limits(SimpleNamespace):
    """Snakemake's workflow, as far as limits go."""

    def register_resource(self, name: str, value: int) -> None:
        """Set a limit."""
        self.global_resources[name] = value


ASKED = {"gpu": 2}


@pytest.mark.parametrize(
    ("given", "visible", "limit", "a_job"),
    [({}, False, 1, 0), ({}, True, 1, 1), (ASKED, False, 2, 1), (ASKED, True, 2, 1)],
)
def test_one_gpu_never_runs_two_jobs_unless_asked(
    monkeypatch: pytest.MonkeyPatch, given: dict, visible: bool, limit: int, a_job: int
) -> None:
    """The limit is 1 unless --resources gives one; CPU jobs take none of it, so they run side by side."""
    monkeypatch.setattr(start, "gpu_visible", lambda: visible)
    workflow = Limits(global_resources=dict(given))
    assert (flow.gpus_a_job(workflow), workflow.global_resources["gpu"]) == (a_job, limit)


@pytest.mark.parametrize(
    ("visible", "listed", "found"),
    [(None, "GPU 0", True), ("", "GPU 0", False), ("-1", "GPU 0", False), ("0", "", False)],
)
def test_gpus_are_asked_of_the_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str | None, listed: str, found: bool
) -> None:
    """By nvidia-smi, unless CUDA_VISIBLE_DEVICES hides them all."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{listed}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert flow.gpu_visible() == found


def test_the_data_root_is_no_parameter_of_a_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It reaches jobs by the environment; UDD_DATA wins over params.yaml. Relative, it counts from the
    repository, not from --directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("PATH", "PYTHONPATH", "UDD_DATA", "UDD_DISTILL_OPTIONS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("UDD_DATA", "")
    flow.prepare_environment({"data_root": "raw"}, str(tmp_path / "base"))
    assert os.environ["UDD_DATA"] == str(tmp_path / "base" / "raw")
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path / "base")
    monkeypatch.setenv("UDD_DATA", "elsewhere")
    flow.prepare_environment({"data_root": "raw"}, str(tmp_path / "base"))
    assert os.environ["UDD_DATA"] == str(tmp_path / "base" / "elsewhere")
    monkeypatch.setenv("UDD_DATA", "/elsewhere")
    flow.prepare_environment({"data_root": "raw"}, str(tmp_path / "base"))
    assert os.environ["UDD_DATA"] == "/elsewhere"


def test_what_dvc_lists_must_be_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else `dvc repro` would drop it from dvc.lock; the locks that jobs leave do not count."""
    top, tmp_path = tmp_path, tmp_path / "inner"
    tmp_path.mkdir()
    monkeypatch.chdir(tmp_path)
    records.run([])
    (tmp_path / "dvc.lock").write_text(
        yaml.safe_dump({"stages": {"results": {"outs": [{"path": "made", "nfiles": 1}]}}})
    )
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a.lock").touch()
    with pytest.raises(UserError, match="made has 0 of 1 files"):
        records.run([])
    records.run(["another"])  # of a stage that lists something else
    (tmp_path / "made" / "a").touch()
    records.run(["results"])
    # Where DVC's cache has their names, other files do not stand for them
    (tmp_path / "dvc.lock").write_text(
        yaml.safe_dump({"stages": {"results": {"outs": [{"path": "made", "md5": "abc.dir", "nfiles": 1}]}}})
    )
    listed = top / ".dvc" / "cache" / "files" / "md5" / "ab" / "c.dir"
    listed.parent.mkdir(parents=True)
    listed.write_text('[{"md5": "0", "relpath": "b"}]')
    with pytest.raises(UserError, match="made has 0 of 1 files"):
        records.run([])
    (tmp_path / "made" / "b").touch()
    records.run([])


@pytest.mark.parametrize(
    ("said", "killed"),
    [
        ("network 1 epoch 250/1000: test accuracy 41.20 %", True),
        ("error: ipc 500: more than the data has", False),
        ("stopped by SIGTERM after 3 of 6 iterations; run the same command again to go on", False),
        ("ValueError: found 3", False),
        ("torch.OutOfMemoryError: CUDA out of memory", False),
        ("interrupted", False),
        ("RuntimeError: CUDA error\nCompile with `TORCH_USE_CUDA_DSA`", False),
        ("bash: python: command not found", False),
        ("UserWarning: error bars are off\nnetwork 1 epoch 250/1000: test accuracy 41.20 %", True),
    ],
)
def test_a_job_that_ended_without_a_word_is_said_to_have_been_killed(said: str, killed: bool, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text(f"before\n{said}\n\n")
    assert end.last_line([str(log)]) == said.splitlines()[-1] + (f"\n  {end.KILLED}" if killed else "")
    assert end.last_line([str(tmp_path / "none.log")]) == "it said nothing; it may have been killed"


def test_the_conda_environment_and_the_constraints_agree() -> None:
    """One version of each package, whichever way it is installed."""
    pinned = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().split())
    wanted = yaml.safe_load((REPOSITORY / "workflow" / "envs" / "udd.yaml").read_text())["dependencies"][-1]["pip"]
    assert {name: pinned[name] for name, _ in (line.split("==") for line in wanted)} == dict(
        line.split("==") for line in wanted
    )


@pytest.mark.parametrize(
    ("file", "stage", "below", "named"),
    [
        ("dvc.yaml", "results", "results/", ""),
        ("experiments/dvc.yaml", "released", "../results/${key}/", " released@${key}"),
    ],
)
def test_dvc_keeps_the_folders_that_the_workflow_makes(file: str, stage: str, below: str, named: str) -> None:
    """dvc.yaml and udd.workflow name the same folders, and all of them are kept through a run, which first
    asks whether they are here."""
    found = yaml.safe_load((REPOSITORY / file).read_text())["stages"][stage]
    found = found.get("do", found)
    kept = {name: options for out in found["outs"] for name, options in out.items()}
    assert set(kept) == {f"{below}{folder}" for folder in flow.VERSIONED}
    # Pushed, too: else a pull would want what nobody has
    assert all(options == {"persist": True} for options in kept.values())
    assert found["cmd"][0] == f"python -m udd check-lock{named}"
    assert "dvc.yaml" in COPIED
