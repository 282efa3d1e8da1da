"""Where a data set's files lie, and what of its declaration decides its pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import ROOT, params

from udd import data
from udd.config import plan
from udd.config.params import check
from udd.errors import UserError
from udd.runs.task import check_data


@pytest.mark.parametrize("written", ["~/raw", "$HOME/raw", "${HOME}/raw"])
def test_home_in_a_path_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str):
    """In params.yaml, in the environment and on the command line; no folder is called `~`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("UDD_DATA", raising=False)
    assert plan.data_root({"data_root": written}) == tmp_path / "raw"
    monkeypatch.setenv("UDD_DATA", written)
    assert plan.data_root({"data_root": "data"}) == tmp_path / "raw"
    monkeypatch.chdir(tmp_path)
    data.run(["--params", str(ROOT / "params.yaml"), "--dataset", "digits", "--root", written, "--out", "m.json"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "raw"]


@pytest.mark.parametrize("written", ["$UNSET_HERE/raw", "~nobody-of-that-name/raw"])
def test_a_home_that_is_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch, written: str):
    monkeypatch.delenv("UDD_DATA", raising=False)
    monkeypatch.delenv("UNSET_HERE", raising=False)
    with pytest.raises(UserError, match=r"^data_root: found .*expected a path whose ~ and \$VARIABLES are known here"):
        plan.data_root({"data_root": written})


def test_depth_and_background_are_part_of_a_data_set_where_given():
    declared = params()["datasets"] | {"deep": {"kind": "folder", "size": 32, "depth": 16, "background": "black"}}
    checked = check(params() | {"datasets": declared})
    assert plan.dataset_config(checked, "deep") == {
        "name": "deep",
        "kind": "folder",
        "size": 32,
        "depth": 16,
        "background": "black",
    }
    assert plan.dataset_config(checked, "mnist") == {"name": "mnist", "kind": "mnist"}
    for key, value in (("depth", 8), ("background", "pink")):
        with pytest.raises(UserError, match=f"datasets.deep.{key}: found {value!r}"):
            check(params() | {"datasets": declared | {"deep": {"kind": "folder", "size": 32, key: value}}})


def test_an_ipc_above_a_class_names_the_class():
    config = {"dataset": {"name": "pets"}, "ipc": 5}
    manifest = {"config": {"name": "pets"}, "counts": {"train": [9, 4, 7]}, "classes": ["ant", "bee", "cat"]}
    with pytest.raises(
        UserError, match="ipc 5: the smallest class of pets has 4 training images; lower ipc, or give class bee more"
    ):
        check_data(config, manifest, Path("pets.json"))
