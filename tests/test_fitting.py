"""What is asked of a set fits its method, network and images, or is refused before anything is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import dataset, generator
from workspace import tiny_params

import udd
from udd.config.fitting import check_cells, check_images
from udd.config.params import check, overlay
from udd.config.sections import BLOCKS
from udd.errors import UserError
from udd.networks.architectures import ARCHITECTURES, build
from udd.workflow import start

WRONG = {
    "pixels, which the policy does not read": (
        {"variants": {"udd": {"udd": {"search_layer": "pixels"}}}},
        "p: udd: found udd.search_layer: pixels for policy: jitter; gradient, and vote by it, alone read pixels",
    ),
    "a block that the network has not": (
        {"variants": {"udd": {"ipc1": {"udd": {"search_layer": 4}}}}},
        "p: udd: found udd.search_layer: 4; convnet3 has 3 blocks: give 1 to 3, or last",
    ),
    "a rate that nothing learned": (
        {"variants": {"udd": {"evaluate": {"rate": "own"}}}},
        "p: udd: found evaluate.rate: own in protocol idc, expected a method that learns a rate (dd, mtt), not udd",
    ),
    "the same by a protocol": ({"protocols": {"idc": {"rate": "own"}}}, "found evaluate.rate: own in protocol idc"),
}
RIGHT = {
    "pixels": {"variants": {"udd": {"udd": {"search_layer": "pixels", "policy": "gradient"}}}},
    "pixels by vote": {"variants": {"udd": {"udd": {"search_layer": "pixels", "policy": "vote"}}}},
    "the last block": {"variants": {"udd": {"udd": {"search_layer": 3}}}},
    "a block of a deeper network": {"variants": {"udd": {"udd": {"search_layer": 8}, "distill": {"network": "vgg11"}}}},
    "a learned rate": {
        "variants": {"dd": {"method": "dd", "evaluate": {"rate": "own"}}},
        "tables": {"main": {"variants": ["dd"]}},
    },
}


def asked(changes: dict[str, Any]) -> dict[str, Any]:
    """The tests' parameters with these changes."""
    return check(overlay(tiny_params(), changes), "p")


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(name: str) -> None:
    changes, said = WRONG[name]
    with pytest.raises(UserError) as caught:
        check_cells(asked(changes), "p")
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RIGHT)
def test_what_fits_is_not(name: str) -> None:
    check_cells(asked(RIGHT[name]), "p")


def test_the_blocks_are_those_of_the_networks() -> None:
    made = {name: len(build(name, 3, 32, 10, 8, generator()).blocks) for name in ARCHITECTURES}
    assert made == BLOCKS


def test_python_is_told_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="found udd.search_layer: pixels for policy: jitter"):
        udd.distill(dataset(), "udd", 1, width=4, outer=1, inner=1, search_layer="pixels")
    assert not any(tmp_path.iterdir())


def test_more_images_a_class_than_there_are() -> None:
    params = asked({"tables": {"main": {"ipc": [1, 3], "variants": ["random", "udd"]}}})
    check_images(params, "digits", 3, "cat")
    with pytest.raises(UserError) as caught:
        check_images(params, "digits", 2, "cat")
    assert str(caught.value) == (
        "random at IPC 3 takes 3 images a class, but class cat of digits has 2 to train on; take a smaller IPC, add "
        "images, or leave it out: datasets.digits.ipc3.without: [random]"
    )
    check_images(params, "another", 2, "cat")
    without = overlay(params, {"datasets": {"digits": {"ipc3": {"without": ["random", "udd"]}}}})
    check_images(without, "digits", 2, "cat")


@pytest.mark.parametrize("changed", [False, True], ids=["pinned", "changed"])
def test_a_manifest_counts_until_its_raw_data_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    monkeypatch.setenv("UDD_DATA", str(tmp_path))
    monkeypatch.setattr(start, "fingerprint", lambda *_: ("0", "other files now" if changed else ""))
    params = asked({"results": str(tmp_path), "tables": {"main": {"ipc": [3]}}})
    start.enough_images(params)  # no manifest yet: the job will say
    (tmp_path / "data").mkdir()
    (tmp_path / "data/digits.json").write_text('{"counts": {"train": [9, 2]}, "classes": ["ant", "bee"]}')
    if changed:
        return start.enough_images(params)
    with pytest.raises(SystemExit, match="class bee of digits has 2 to train on"):
        start.enough_images(params)
