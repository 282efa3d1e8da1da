"""What is asked of a set fits its method, network and images, or is refused before anything is planned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import write_tree
from tiny import dataset, generator
from workspace import REPOSITORY, Workspace, tiny_params

import udd
from udd.config import plan
from udd.config.fitting import check_cells, check_images
from udd.config.params import check, overlay
from udd.config.sections import BLOCKS
from udd.errors import UserError
from udd.networks.architectures import ARCHITECTURES, build

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
        "p: udd: found rate: own for udd, which learns no rate (dd, mtt do); write it for variants of these alone",
    ),
    "the same by a protocol": ({"protocols": {"idc": {"rate": "own"}}}, "not in evaluate or protocols.idc"),
}
RIGHT = {
    "pixels": {"variants": {"udd": {"udd": {"search_layer": "pixels", "policy": "gradient"}}}},
    "pixels by vote": {"variants": {"udd": {"udd": {"search_layer": "pixels", "policy": "vote"}}}},
    "what is not searched has no layer": {"variants": {"udd": {"udd": {"search_layer": "pixels", "policy": "random"}}}},
    "nor have all windows": {"variants": {"udd": {"udd": {"search_layer": 8, "policy": "all"}}}},
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
    """All variants that ask for more are named at once; those that do not are not."""
    params = asked({"tables": {"main": {"ipc": [1, 3], "variants": ["random", "udd"]}}})
    config = plan.set_config(params, plan.Cell("digits", 3, "udd"), 0)
    check_images(params, config, 3, "cat")
    with pytest.raises(UserError) as caught:
        check_images(params, config, 2, "cat")
    assert str(caught.value) == (
        "udd: found 3 at IPC 3 images a class, but class cat of digits has 2 to train on; take a smaller IPC, add "
        "images, or leave out all that ask for more: add udd, random to datasets.digits.ipc3.without"
    )


def test_a_multiple_of_ipc_is_told_as_one() -> None:
    params = asked({"variants": {"random-x4": {"method": "random", "times": 4}}})
    config = plan.set_config(params, plan.Cell("digits", 2, "random-x4"), 0)
    with pytest.raises(UserError, match="random-x4: found 4 x IPC 2 = 8 images a class"):
        check_images(params, config, 7, "cat")
    check_images(params, config, 8, "cat")


@pytest.fixture
def repository(tmp_path: Path) -> Workspace:
    """The workflow's files, and a folder of pets with two training images a class, whose manifest has been made."""
    for name in ("Snakefile", "udd", "workflow", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    pets = {"pets": {"kind": "folder", "path": "pets", "size": 8}}
    for place in ("data/pets", "data/more"):
        write_tree(tmp_path / place)
    params = asked({"datasets": pets, "variants": {"udd": {"distill": {"networks": "cached"}}}})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    made = Workspace(tmp_path)
    made.run("snakemake", "--cores", "1", "results/data/pets.json")
    return made


def test_what_is_planned_is_refused_by_name_and_nothing_else(repository: Workspace) -> None:
    """Named on the command line as well, and before cached networks are made; other files are made all the same."""
    too_many = "results/synthetic/pets/ipc9/udd/seed0.safetensors"
    said = repository.run("snakemake", "-n", too_many, fails=True)
    assert re.search(r"error: udd: found 9 at IPC 9 images a class, but class \w+ of pets has 3 to train on", said)
    assert "Traceback" not in said
    assert repository.planned("results/synthetic/pets/ipc1/udd/seed0.safetensors")["distill"] == 1
    repository.edit(datasets={"pets": {"path": "more"}})  # the manifest is of another folder
    assert repository.planned(too_many)["data"] == 1
    (repository.path / "results/data/pets.json").write_text("[]")  # the rule says what is wrong with it
    assert repository.planned(too_many)["distill"] == 1
    deep = {"udd": {"search_layer": 9}, "distill": {"networks": "cached"}}
    repository.edit(variants={"deep": deep, "rated": {"evaluate": {"rate": "own"}}})  # of no table
    for target, refused in (
        ("synthetic/digits/ipc1/deep/seed0.safetensors", "deep: found udd.search_layer: 9; convnet3 has 3 blocks"),
        ("accuracy/digits/ipc1/rated/seed0/idc/convnet3.json", "rated: found rate: own for udd"),
    ):
        said = repository.run("snakemake", "-n", f"results/{target}", fails=True)
        assert f"error: {refused}" in said and "Traceback" not in said
