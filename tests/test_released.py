"""What git holds for DVC: every pipeline has its lock, and all that a lock lists lies in the store that
comes with the repository."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from tiny import ROOT

from udd import evaluation
from udd.config import requested
from udd.config.params import load
from udd.persistence import read_lines
from udd.provenance import code_digest
from udd.workflow.paths import wanted

STORE = ROOT / "released" / "files" / "md5"


def tracked(*patterns: str) -> list[str]:
    """The files that git tracks."""
    return subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()


def stored(md5: str) -> Path:
    """Where an object lies."""
    return STORE / md5[:2] / md5[2:]


def experiments() -> dict[str, dict[str, str]]:
    """The released experiments, and what is laid over params.yaml for each."""
    return yaml.safe_load((ROOT / "experiments" / "dvc.yaml").read_text())["stages"]["released"]["foreach"]


def declared(pipeline: str) -> set[str]:
    """The names of a pipeline's stages, of one for each of several things all of them."""
    stages = yaml.safe_load((ROOT / pipeline).read_text())["stages"].items()
    return {
        full
        for name, stage in stages
        for full in ([f"{name}@{key}" for key in stage["foreach"]] if "foreach" in stage else [name])
    }


PIPELINES = tracked("dvc.yaml", "**/dvc.yaml")


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pull_finds_all_that_is_listed(pipeline: str):
    lock = Path(pipeline).with_name("dvc.lock")
    assert str(lock) in tracked("*dvc.lock")
    stages = yaml.safe_load((ROOT / lock).read_text())["stages"]
    assert stages.keys() == declared(pipeline)
    for out in (out for stage in stages.values() for out in stage["outs"]):
        entries = json.loads(stored(out["md5"]).read_text())
        missing = [entry["relpath"] for entry in entries if not stored(entry["md5"]).exists()]
        assert len(entries) == out["nfiles"] and not missing, (
            f"{out['path']}: {missing[:3]} are not in released; dvc push"
        )


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_stage_that_has_results_names_its_metrics(pipeline: str):
    """So that `dvc metrics diff` has something to say in a fresh clone; what was never computed is not in git."""
    metrics = yaml.safe_load((ROOT / pipeline).read_text())["metrics"]
    stages = yaml.safe_load((ROOT / pipeline).with_name("dvc.lock").read_text())["stages"]
    outs = [stage["outs"] for stage in stages.values()]
    computed = {
        str(Path(each[0]["path"]).with_name("metrics.json")): any(out["nfiles"] for out in each) for each in outs
    }
    assert computed.keys() == set(metrics)
    for path, made in computed.items():
        assert (os.path.normpath(Path(pipeline).parent / path) in tracked("*metrics.json")) == made


CODE = {
    "data": "udd.data",
    "collect": "udd.reports.collect",
    "collect_request": "udd.reports.collect",
    "tables": "udd.reports.tables",
}
CODE |= {"figures": "udd.reports.figures"}
EVALUATED = [evaluation.code({"evaluate": {"rate": rate, "views": "all"}}) for rate in ("recipe", "own")]


def codes(rule: str) -> list[str]:
    """The present digests of the code by which a rule may have made a file."""
    return EVALUATED if rule == "evaluate" else [code_digest(CODE[rule])]


@pytest.mark.parametrize("name", experiments())
def test_a_fresh_clone_makes_nothing_again(name: str):
    """Every manifest, record and report that is asked for was made by the present code, or stamped anew after an edit
    that changed none of its bits (docs/data.md)."""
    params = load(
        [ROOT / "params.yaml", *(ROOT / "experiments" / file for file in experiments()[name]["files"].split())]
    )
    results = ROOT / "results" / name
    asked = {
        *wanted(params),
        *(f"data/{dataset}.json" for dataset in {cell.dataset for cell in requested.all_cells(params)}),
    }
    lock = yaml.safe_load((ROOT / "experiments" / "dvc.lock").read_text())["stages"][f"released@{name}"]
    for out in lock["outs"]:
        folder = Path(out["path"]).relative_to(f"../results/{name}")
        asked |= {str(folder / entry["relpath"]) for entry in json.loads(stored(out["md5"]).read_text())}
    made = {
        path: record
        for path, (_, record) in read_lines(results / "snakemake.jsonl").items()
        if path in asked and record["rule"] in (*CODE, "evaluate")
    }
    assert {"data", "collect", "tables", "evaluate"} <= {record["rule"] for record in made.values()}
    stale = [
        path
        for path, record in made.items()
        if not any(repr(code) in record["params"] for code in codes(record["rule"]))
    ]
    assert stale == []


def test_one_file_serves_all_experiments_that_are_laid_over_cpu_yaml():
    """A stage each, of the parameters that its command reads; and no pipeline below results."""
    assert PIPELINES == ["dvc.yaml", "experiments/dvc.yaml"]
    for name, about in experiments().items():
        assert set(about["files"].split()) == {"cpu.yaml", about["over"]} and about["over"] == f"{name}.yaml"
