"""What is given from Python is looked through before any work: a set of other data, numbers that are none, paths in
place of what lies there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import dataset

import udd
from udd import given
from udd.errors import UserError
from udd.interface import configuration

QUICK: dict[str, Any] = {"epochs": 1, "width": 4, "checkups": 1, "device": "cpu"}
SMALL: dict[str, Any] = {"outer": 1, "inner": 2, "width": 4, "net_images": 4, "batch_real": 4, "net_batch": 4}


def refused(call: Callable[[], Any], said: str) -> None:
    """It raises UserError of one line that says so."""
    with pytest.raises(UserError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (dataset()._replace(classes=["class 1", "class 2", "class 0"]), "its class 0 is 'class 0', expected 'class 1'"),
        (dataset(classes=2), "its 3 classes are not the 2 expected"),
        (dataset(classes=4), "its 3 classes are not the 4 expected"),
        (dataset(channels=1), r"its images are \[3, 8, 8\], expected \[1, 8, 8\]"),
        (dataset(side=16), r"its images are \[3, 8, 8\], expected \[3, 16, 16\]"),
    ],
)
def test_a_set_is_evaluated_on_its_own_classes_and_shape_alone(data: Any, said: str):
    made = udd.distill(dataset(), "random", 1, device="cpu")
    refused(
        lambda: udd.evaluate(made, data, 1, **QUICK), f"made: a set of tiny, not of tiny: {said}; name its data set"
    )


def test_a_set_of_a_split_is_evaluated_on_the_whole():
    made = udd.distill(dataset()._replace(name="tiny-split"), "random", 1, device="cpu")
    assert len(udd.evaluate(made, dataset(), 1, **QUICK).values) == 1


@pytest.mark.parametrize("ipc", [0, -1, "1", 1.0, True, None, np.float64(1)])
@pytest.mark.parametrize("make", [udd.distill, udd.short])
def test_an_ipc_that_is_no_whole_number_is_refused(make: Callable[..., Any], ipc: Any):
    refused(lambda: make(dataset(), "random", ipc, device="cpu"), "ipc: found .*, expected a whole number, 1 or more")


@pytest.mark.parametrize("seed", [-1, "a", None, 0.5, False, np.array([1, 2])])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any):
    refused(lambda: udd.distill(dataset(), "random", 1, seed), "seed: found .*, expected a whole number, 0 or more")


def test_numpys_numbers_make_the_set_that_pythons_make(tmp_path: Path):
    plain = SMALL | {"image_lr": 0.5, "image_lr_decay_at": [0.5]}
    numpys = {key: np.array(value)[()] for key, value in plain.items()} | {"image_lr_decay_at": [np.float32(0.5)]}
    one, two = (
        udd.distill(dataset(), "udd", number(1), number(2), checkpoint=tmp_path / "run", device="cpu", **keys)
        for number, keys in ((int, plain), (np.int64, numpys))
    )
    assert torch.equal(one.images, two.images) and one.metadata["config"] == two.metadata["config"]
    two.save(tmp_path / "set.safetensors")
    lr = udd.evaluate(one, dataset(), 1, lr=np.float32(0.5), **QUICK)
    assert lr.values == udd.evaluate(one, dataset(), 1, lr=0.5, **QUICK).values


def test_a_rate_of_another_type_is_a_rate():
    _, found = configuration(
        dataset(), "udd", 1, 0, {"image_lr": np.float32(0.1), "scales": np.array(["half", "third"])}
    )
    assert found["distill"]["image_lr"] == pytest.approx(0.1) and type(found["distill"]["image_lr"]) is float
    assert found["udd"]["scales"] == ["half", "third"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("flowers/", r"data: found 'flowers/', expected a data set; give udd.dataset\('flowers/'\)"),
        (Path("flowers"), r"give udd.dataset\('flowers'\)"),
        ([1, 2, 3, 4], "data: found a value of type list, expected a data set; give what udd.dataset returns"),
        (None, "data: found None, expected a data set"),
    ],
)
def test_data_that_were_not_read_are_refused(data: Any, said: str):
    refused(lambda: udd.distill(data, device="cpu"), said)
    refused(lambda: udd.short(data, "udd", 1, device="cpu"), said)
    refused(lambda: udd.budget(data, "udd", 1, 2, device="cpu"), said)


def test_a_path_in_place_of_a_set_and_a_data_set_first_are_refused():
    data = dataset()
    made = udd.distill(data, "random", 1, device="cpu")
    evaluate: Any = udd.evaluate
    refused(
        lambda: evaluate("a.safetensors", data), r"made: found 'a.safetensors', .*; give udd.load\('a.safetensors'\)"
    )
    refused(lambda: evaluate(data, made), "made: found a data set, expected a synthetic set; give what udd.distill or")
    refused(lambda: evaluate(made, made), "data: found a synthetic set, expected a data set")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path):
    refused(lambda: udd.load(tmp_path), f"set: {tmp_path} is a folder, expected a file")
    for key in ("checkpoint", "curve", "out"):
        files: dict[str, Any] = {key: tmp_path}
        refused(lambda files=files: udd.distill(dataset(), "udd", 1, **files), f"{key}: {tmp_path} is a folder")


@pytest.mark.parametrize("minutes", ["2", 0, -1, float("nan"), float("inf"), None, True])
def test_minutes_that_are_no_number_above_0_are_refused(minutes: Any):
    refused(lambda: udd.budget(dataset(), "idc", 1, minutes), "minutes: found .*, expected a number above 0")


def test_numpys_minutes_are_a_number():
    assert given.amount("minutes", np.float32(0.5)) == 0.5 and given.amount("minutes", np.int64(2)) == 2


def test_classes_that_are_numbers_alone_are_any_names(tmp_path: Path):
    """An npz has no names: it judges a set of the same images all the same."""
    data = dataset()
    made = udd.distill(data, "random", 1, device="cpu")
    for names in (["0", "1", "2"], data.classes):
        given.check_belongs("made", made, data._replace(classes=names))
    with pytest.raises(UserError, match="made: a set of tiny, not of tiny: its 3 classes are not the 2 expected"):
        given.check_belongs("made", made, data._replace(classes=["0", "1"]))


def test_two_data_sets_whose_classes_are_numbers_do_not_pass_for_each_other():
    data = dataset()
    made = udd.distill(data, "random", 1, device="cpu")
    one = made._replace(metadata=made.metadata | {"dataset": "mnist"})
    for name, like in (("fashionmnist", ""), ("held", "fashionmnist")):
        with pytest.raises(UserError, match="a set of mnist, not of .*: they are two data sets"):
            given.check_belongs("made", one, data._replace(name=name, like=like))
    given.check_belongs("made", one, data._replace(name="mnist-50k", like="mnist"))


@pytest.mark.parametrize("method", ["random", "idc"])
def test_a_set_of_a_split_keeps_what_it_is_a_part_of(method: str, tmp_path: Path):
    keys = {"cache": tmp_path, "networks": "fresh", "outer": 1, "inner": 1, "width": 4, "net_images": 0}
    data = dataset()._replace(name="mnist-50k", like="mnist")
    made = udd.distill(data, method, 1, device="cpu", **(keys if method == "idc" else {}))
    for name in ("fashionmnist", "svhn"):
        with pytest.raises(UserError, match="a set of mnist-50k, not of .*: they are two data sets"):
            given.check_belongs("made", made, data._replace(name=name, like=""))
    given.check_belongs("made", made, data._replace(name="mnist", like=""))


def test_a_tuple_is_a_list():
    assert given.plain((0.5, np.float64(0.25), (1,))) == [0.5, 0.25, [1]]


def test_numpys_numbers_make_the_schedule_that_pythons_make():
    keys = {"outer": 200, "inner": 20}
    found = udd.short(dataset(), "idc", 1, networks="fresh", **{key: np.int64(value) for key, value in keys.items()})
    assert found == udd.short(dataset(), "idc", 1, networks="fresh", **keys) and found["image_lr"] < 0.32


def test_no_networks_and_minutes_as_text_are_refused():
    made = udd.distill(dataset(), "random", 1, device="cpu")
    refused(lambda: udd.evaluate(made, dataset(), networks=0), "networks: found 0, expected a whole number, 1 or more")
    refused(lambda: udd.distill(dataset(), "udd", minutes="2"), "minutes: found '2', expected a number above 0")
