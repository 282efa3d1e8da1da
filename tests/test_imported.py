"""Sets that lie in files, as cells of the workflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import config as tiny_config
from tiny import params as parameters
from workspace import REPOSITORY, Workspace, tiny_params

import udd
from udd import adopting, importing
from udd.config import plan
from udd.config.fitting import check_fit, check_images, check_rate, check_views
from udd.config.params import overlay
from udd.config.plan import Cell
from udd.data import read_manifest
from udd.errors import UserError
from udd.files import sha256
from udd.reports.figures.utilization import decoded

FILE = "theirs/{dataset}-ipc{ipc}-seed{seed}.safetensors"


def of_tiny() -> dict[str, Any]:
    """params.yaml with the data set `tiny`."""
    return parameters() | {"datasets": {"tiny": tiny_config()["dataset"]}}


def variant(file: str = FILE) -> dict[str, Any]:
    """A variant whose sets lie in files."""
    return {"method": "imported", "imported": {"file": file}}


def configured(file: str, ipc: int = 2, seed: int = 1) -> dict[str, Any]:
    """The configuration of a set of `tiny` that lies in a file."""
    params = overlay(of_tiny(), {"variants": {"theirs": variant(file)}})
    return plan.set_config(params, Cell("tiny", ipc, "theirs"), seed)


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (FILE, "theirs/tiny-ipc2-seed1.safetensors"),
        ("a.safetensors", "a.safetensors"),
        ("{seed}{seed}/{ipc}.safetensors", "11/2.safetensors"),
    ],
)
def test_a_files_name_holds_what_a_cell_is(file: str, found: str):
    check_fit(configured(file))
    assert plan.imported_file(configured(file)) == found


@pytest.mark.parametrize(
    "file", ["", "a.pt", "/a.safetensors", "~/a.safetensors", "$A.safetensors", "{method}.safetensors", "}.safetensors"]
)
def test_what_is_no_files_name_is_refused(file: str):
    with pytest.raises(UserError, match=r"theirs: found imported.file: .*, expected a set's file below data_root"):
        check_fit(configured(file))


@pytest.mark.parametrize(("file", "seeds"), [(FILE, [3, 4]), ("a-{ipc}.safetensors", [0])])
def test_one_file_is_one_set(file: str, seeds: list[int]):
    over = {"variants": {"theirs": variant(file), "again": {"sets": "theirs"}}, "seeds": {"distill": [3, 4]}}
    params = overlay(of_tiny(), over)
    for name in ("theirs", "again"):
        assert plan.seeds(params, Cell("tiny", 2, name)) == seeds
    assert plan.seeds(params, Cell("tiny", 2, "random")) == [3, 4]


def test_such_a_set_needs_no_real_images_and_may_hold_a_rate():
    params = overlay(of_tiny(), {"variants": {"theirs": variant()}})
    check_images(params, configured(FILE, ipc=99), 4, "cat")
    check_rate({"set": configured(FILE), "protocol": "idc", "evaluate": {"rate": "own"}}, "theirs")
    assert decoded(configured(FILE)) == "whole"


@pytest.fixture
def taken(made: tuple[Path, Path], tmp_path: Path):
    """Take a set of tiny's real images that was changed, as the cell of IPC 2 with seed 1."""
    data = udd.dataset(made[1] / "tiny.npz")
    real = udd.distill(data, "random", 2, device="cpu")

    def take(ipc: int = 2, **change: Any):
        real._replace(**change).save(tmp_path / "there.safetensors")
        manifest = tmp_path / "manifest.json"
        if not manifest.exists():
            manifest.write_text(Path(made[0]).read_text())
        config = configured(FILE, ipc)
        words = ["--config", json.dumps(config), "--manifest", str(manifest)]
        importing.run(
            [*words, "--file", str(tmp_path / "there.safetensors"), "--out", str(tmp_path / "out.safetensors")]
        )
        return udd.load(tmp_path / "out.safetensors"), config

    return real, take


def test_a_set_is_taken_with_its_pixels_and_says_what_it_was(taken, tmp_path: Path):
    real, take = taken
    found, config = take(metadata=real.metadata | {"rate": 0.5, "flip": False})
    assert torch.equal(found.images, real.images) and torch.equal(found.labels, real.labels)
    about = found.metadata
    assert about["config"] == config and (about["rate"], about["flip"]) == (0.5, False)
    origin = about["provenance"]["imported"]
    assert origin["sha256"] == sha256(tmp_path / "there.safetensors") and origin["file"] == "there.safetensors"
    assert origin["was"]["config"] == real.metadata["config"] and origin["was"]["dataset"] == "tiny"


def test_classes_that_are_numbers_are_the_data_sets(taken, made: tuple[Path, Path], capsys):
    real, take = taken
    classes = read_manifest(made[0])["classes"]
    numbers = [str(label) for label in range(len(classes))]
    found, _ = take(metadata=real.metadata | {"classes": numbers[:-1] + ["cat"]})
    assert found.metadata["classes"] == classes
    assert "note: a set of tiny, taken for tiny; its classes are taken by number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ipc": 1}, "2 images a class, but it stands for IPC 1"),
        ({"images": torch.zeros(6, 1, 5, 5)}, r"images are \[1, 5, 5\]"),
        ({"metadata": {"classes": ["0", "1", "2", "3"]}}, "4 classes are not the 3 expected"),
    ],
)
def test_another_set_is_refused(change: dict[str, Any], said: str, taken, tmp_path: Path):
    real, take = taken
    if "metadata" in change:
        change = {"metadata": real.metadata | change["metadata"]}
    with pytest.raises(UserError, match=said):
        take(**change)
    assert not (tmp_path / "out.safetensors").exists()


def manifest_like(made: Any, classes: list[str], kind: str = "npz", name: str = "pets") -> dict[str, Any]:
    """A manifest of a data set of these classes, whose images are those of a set."""
    return {"config": {"name": name, "kind": kind}, "classes": classes, "shape": list(made.images.shape[1:])}


@pytest.mark.parametrize(
    ("held", "classes", "said"),
    [
        (["cat", "dog", "ant"], ["ant", "cat", "dog"], "class 0 is 'cat', expected 'ant'"),
        (["0", "1", "2"], ["0", "2", "1"], "class 1 is '1', expected '2'"),
        (["cat", "dog", "ant"], ["cat", "dog", "ant"], ""),
        (["0", "1", "2"], ["cat", "dog", "ant"], ""),
    ],
)
def test_classes_are_the_data_sets_in_their_order(held: list[str], classes: list[str], said: str, taken):
    real, _ = taken
    made = real._replace(metadata=real.metadata | {"classes": held})
    if not said:
        return adopting.check(Path("a.safetensors"), made, manifest_like(made, classes), 2)
    with pytest.raises(UserError, match=f"a set of tiny, not of pets: its {said}"):
        adopting.check(Path("a.safetensors"), made, manifest_like(made, classes), 2)


def test_a_set_of_mnist_is_none_of_fashionmnist(taken):
    real, _ = taken
    made = real._replace(metadata=real.metadata | {"dataset": "mnist"})
    classes = made.metadata["classes"]
    adopting.check(Path("a.safetensors"), made, manifest_like(made, classes, "mnist", "digits-of-mine"), 2)
    with pytest.raises(UserError, match="a set of mnist, not of fashion: they are two data sets"):
        adopting.check(Path("a.safetensors"), made, manifest_like(made, classes, "fashionmnist", "fashion"), 2)


def test_pixels_are_numbers_near_their_range_and_soft_labels_need_no_balance(taken):
    real, _ = taken
    manifest, path = manifest_like(real, real.metadata["classes"]), Path("a.safetensors")
    for images in (real.images * 255, real.images.double(), real.images * torch.nan):
        with pytest.raises(UserError, match="a.safetensors: .*pixels"):
            adopting.check(path, real._replace(images=images), manifest, 2)
    soft = torch.eye(3)[torch.zeros(6, dtype=torch.int64)] * 0.4 + 0.2
    adopting.check(path, real._replace(labels=soft), manifest, 2)
    with pytest.raises(UserError, match="2 images a class, but it stands for IPC 6"):
        adopting.check(path, real._replace(labels=soft), manifest, 6)


@pytest.mark.parametrize(("views", "refused"), [("all", False), ("none", False), ("searched", True), ("random", True)])
def test_windows_of_a_set_in_a_file_are_not_chosen_among(views: str, refused: bool):
    config = {"set": configured(FILE), "protocol": "odd", "evaluate": {"views": views}}
    if not refused:
        return check_views(config, "theirs")
    with pytest.raises(UserError, match=f"theirs: found views: {views} for a set that lies in a file.*protocol odd"):
        check_views(config, "theirs")


@pytest.fixture
def repository(tmp_path: Path) -> Workspace:
    """The workflow, a table of sets that lie in files, and one such file."""
    for name in ("Snakefile", "udd", "workflow", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    table = {"ipc": [1], "datasets": ["digits"], "variants": ["random", "theirs"]}
    over = {"tables": {"main": table}, "seeds": {"distill": [0, 1]}}
    params = overlay(tiny_params(), over) | {"figures": {}}
    params["variants"] |= {"theirs": variant() | {"label": "Theirs"}}
    params["tables"] = {"main": params["tables"]["main"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data" / "theirs").mkdir(parents=True)
    drawn = udd.distill(udd.dataset("digits", size=8), "random", 1, 0, device="cpu")
    drawn.save(tmp_path / "data" / "theirs" / "digits-ipc1-seed0.safetensors")
    return Workspace(tmp_path)


def test_the_workflow_measures_them_beside_its_own(repository: Workspace):
    """The same pixels on the same networks: the same accuracy."""
    said = repository.run("snakemake", "--cores", "1", fails=True)
    assert "error: theirs: no file" in said and "theirs/digits-ipc1-seed1.safetensors; write it by udd import" in said
    assert "--dataset digits --out" in said
    assert not (repository.path / "results").exists() or not list((repository.path / "results").rglob("*.safetensors"))
    results = repository.path / "results"
    record = "accuracy/digits/ipc1/{}/seed0/idc/convnet3.json"
    repository.run("snakemake", "--cores", "1", *(f"results/{record.format(name)}" for name in ("random", "theirs")))
    ours, theirs = (json.loads((results / record.format(name)).read_text()) for name in ("random", "theirs"))
    for network, found in ours["networks"].items():
        assert theirs["networks"][network]["accuracy"] == found["accuracy"]
    # Another file in its place is measured anew
    drawn = udd.distill(udd.dataset("digits", size=8), "random", 1, 5, device="cpu")
    drawn.save(repository.path / "data" / "theirs" / "digits-ipc1-seed0.safetensors")
    again = repository.planned(f"results/{record.format('theirs')}")
    assert (again["imported"], again["evaluate"]) == (1, 1)
