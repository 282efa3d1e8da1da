"""What git holds for DVC: every pipeline has its lock, and all that a lock lists lies in the store that comes with the repository."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from tiny import ROOT

STORE = ROOT / "released" / "files" / "md5"


def tracked(*patterns: str) -> list[str]:
    """The files that git tracks."""
    return subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def stored(md5: str) -> Path:
    """Where an object lies."""
    return STORE / md5[:2] / md5[2:]


PIPELINES = tracked("dvc.yaml", "**/dvc.yaml")


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pull_finds_all_that_is_listed(pipeline: str):
    lock = Path(pipeline).with_name("dvc.lock")
    assert str(lock) in tracked("*dvc.lock")
    stages = yaml.safe_load((ROOT / lock).read_text())["stages"]
    assert stages.keys() == yaml.safe_load((ROOT / pipeline).read_text())["stages"].keys()
    for out in (out for stage in stages.values() for out in stage["outs"]):
        entries = json.loads(stored(out["md5"]).read_text())
        missing = [entry["relpath"] for entry in entries if not stored(entry["md5"]).exists()]
        assert len(entries) == out["nfiles"] and not missing, f"{out['path']}: {missing[:3]} are not in released; dvc push"


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_pipeline_that_has_results_names_its_metrics(pipeline: str):
    """So that `dvc metrics diff` has something to say in a fresh clone; what was never computed is not in git."""
    (metrics,) = yaml.safe_load((ROOT / pipeline).read_text())["metrics"]
    lock = yaml.safe_load((ROOT / pipeline).with_name("dvc.lock").read_text())
    computed = any(out["nfiles"] for stage in lock["stages"].values() for out in stage["outs"])
    assert (str(Path(pipeline).parent / metrics) in tracked("*metrics.json")) == computed
