"""The rule `data`: made again when the raw files are others, not when they are gone, and never lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import fakes
import pytest
import yaml
from workspace import REPOSITORY, Workspace, tiny_params

TARGET = "results/data/pets.json"


@pytest.fixture(scope="session")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the workflow with a folder of pets, whose manifest has been made. Not to be changed: copy it."""
    made = Workspace(tmp_path_factory.mktemp("pets") / "w")
    for name in ("udd", "workflow", "profiles"):
        shutil.copytree(REPOSITORY / name, made.path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "Snakefile", made.path)
    params = tiny_params()
    params["datasets"]["pets"] = {"kind": "folder", "size": 8}
    (made.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    fakes.write_tree(made.path / "data/pets")
    made.run("snakemake", "--cores", "1", TARGET)
    return made


@pytest.fixture
def workspace(pets: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return pets.copy(tmp_path / "w")


def test_changed_raw_data_is_made_again_once(workspace: Workspace):
    assert workspace.planned(TARGET) == {}
    pets = workspace.path / "data/pets/train"
    (pets / "cat/0.png").rename(pets / "dog/moved.png")
    said = workspace.run("snakemake", "-n", TARGET)
    assert said.count("pets: raw files below") == 1 and workspace.planned(TARGET) == {"data": 1}
    workspace.run("snakemake", "--cores", "1", TARGET)
    assert workspace.planned(TARGET) == {}


def test_raw_data_that_is_gone_or_broken_costs_nothing(workspace: Workspace):
    """Gone: nothing to do, also after an edit of the code. Broken: an error, and the manifest stays."""
    manifest = workspace.path / TARGET
    whole = manifest.read_bytes()
    (workspace.path / "data/pets").rename(workspace.path / "away")
    said = workspace.run("snakemake", "-n", TARGET)
    assert "pets: no raw files below" in said and "Nothing to be done" in said
    with open(workspace.path / "udd/data/packing.py", "a") as code:
        code.write("\nNEW = 1\n")
    workspace.run("snakemake", "--cores", "1", TARGET)
    assert manifest.read_bytes() == whole
    (workspace.path / "away").rename(workspace.path / "data/pets")
    (workspace.path / "data/pets/train/cat/0.png").write_text("not an image")
    assert "0.png: not an image" in workspace.run("snakemake", "--cores", "1", TARGET, fails=True)
    assert manifest.read_bytes() == whole


def test_what_cannot_be_read_is_refused_until_it_is_gone_and_costs_nothing(workspace: Workspace):
    """The manifest keeps its record: not that of the files that were not read."""
    manifest, bad = workspace.path / TARGET, workspace.path / "data/pets/train/cat/9.png"
    whole = manifest.read_bytes()
    bad.write_text("not an image")
    for _ in range(2):
        assert "9.png: not an image" in workspace.run("snakemake", "--cores", "1", TARGET, fails=True)
    bad.unlink()
    assert workspace.planned(TARGET) == {} and manifest.read_bytes() == whole


def test_a_data_root_at_home_and_one_that_is_nowhere(workspace: Workspace):
    target = "results/data/digits.json"
    workspace.edit(data_root="~/raw")
    workspace.run("snakemake", "--cores", "1", target, HOME=str(workspace.path / "home"))
    assert list((workspace.path / "home/raw/packed").glob("digits-*")) and not (workspace.path / "~").exists()
    said = workspace.run("snakemake", "-n", target, fails=True, UDD_DATA="$UNSET_HERE/raw")
    assert "error: UDD_DATA: found '$UNSET_HERE/raw'" in said and "Traceback" not in said
