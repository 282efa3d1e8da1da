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
from udd.interface import configuration, fingerprint
from udd.runs.loop import Distillation

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
    ],
)
def test_a_set_is_evaluated_on_its_own_classes_alone(data: Any, said: str):
    made = udd.distill(dataset(), "random", 1, device="cpu")
    refused(
        lambda: udd.evaluate(made, data, 1, **QUICK), f"made: a set of tiny, not of tiny: {said}; name its data set"
    )


@pytest.mark.parametrize("turned", [False, True])
def test_numbers_that_name_the_same_classes_in_another_order_are_refused(turned: bool):
    """Folders sort as text: 0, 1, 10, 2."""
    number, text = [str(label) for label in range(11)], sorted(str(label) for label in range(11))
    orders = [text, number] if turned else [number, text]
    made = udd.distill(dataset(classes=11)._replace(classes=orders[0]), "random", 1, device="cpu")
    said = f"its class 2 is '{orders[0][2]}', expected '{orders[1][2]}'; name its data set"
    refused(lambda: udd.evaluate(made, dataset(classes=11)._replace(classes=orders[1]), 1, **QUICK), said)


@pytest.mark.parametrize(
    ("changes", "shape", "advice"),
    [
        ({"channels": 1}, r"\[1, 8, 8\]", "name its data set"),
        ({"side": 16}, r"\[3, 16, 16\]", "read it at that size: --size 8"),
    ],
)
def test_a_set_is_evaluated_on_images_of_its_own_shape_alone(changes: dict[str, int], shape: str, advice: str):
    made = udd.distill(dataset(), "random", 1, device="cpu")
    said = rf"made: its images are \[3, 8, 8\] \[K, H, W\], those of tiny {shape}; {advice}"
    refused(lambda: udd.evaluate(made, dataset(**changes), 1, **QUICK), said)


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


def test_what_is_no_path_method_or_number_of_threads_is_refused():
    distill: Any = udd.distill
    refused(lambda: udd.load(3), "set: found a value of type int, expected a path as text")  # type: ignore[arg-type]
    for key in ("checkpoint", "curve", "out", "cache"):
        refused(lambda key=key: distill(dataset(), **{key: 3}), f"{key}: found a value of type int, expected a path")
    refused(lambda: distill(dataset(), ["udd"]), "method .'udd'.: did you mean 'udd'|method .'udd'.: expected one of")
    refused(lambda: distill(dataset(), "random", threads=-3), "threads: found -3, expected a whole number, 0 or more")
    refused(lambda: distill(dataset(), "random", out="a.pt"), "out: found a.pt, expected a name that ends in .safeten")


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for key in ("checkpoint", "curve", "out"):
        place: Any = {key: tmp_path / "file" / "a.safetensors"}
        refused(lambda place=place: udd.distill(dataset(), "udd", 1, **place), "file: could not be written")


def test_a_set_that_cannot_be_written_leaves_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same call writes it, and takes no step again."""
    places: Any = {name: tmp_path / name for name in ("checkpoint", "curve")} | {"out": tmp_path / "a.safetensors"}

    def full(*_: Any) -> None:
        raise UserError("a.safetensors: could not be written")

    with monkeypatch.context() as patched:
        patched.setattr("udd.synthetic.sets.write_atomic", full)
        said = "a.safetensors: could not be written; the run is kept in .*checkpoint, and the same call goes on"
        refused(lambda: udd.distill(dataset(), "udd", 1, device="cpu", **SMALL, **places), said)
    steps: list[bool] = []
    monkeypatch.setattr(Distillation, "step", lambda *_: steps.append(True))
    made = udd.distill(dataset(), "udd", 1, device="cpu", **SMALL, **places)
    assert not steps and torch.equal(udd.load(places["out"]).images, made.images)
    assert not places["checkpoint"].exists()


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


def test_a_set_that_only_numbers_tie_to_a_data_set_is_noted():
    data = dataset()
    made, own = udd.distill(data, "random", 1, device="cpu"), fingerprint(data)
    other = data._replace(name="other", classes=["0", "1", "2"])
    assert given.taken_by_number(made, other, "another")
    tied = (data._replace(classes=other.classes), other._replace(like="tiny"), other._replace(classes=data.classes))
    assert not any(given.taken_by_number(made, each, "another") for each in tied)
    assert not given.taken_by_number(made, other, own)


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda images: images.half(), "pixels are torch.float16, expected float32"),
        (lambda images: images.double(), "pixels are torch.float64, expected float32"),
        (lambda images: images * 255, "pixels run from .*, expected 0 to 1; divide bytes by 255"),
        (lambda images: images / 0, "pixels are not finite, expected numbers; make it again"),
    ],
)
def test_a_set_whose_pixels_are_none_is_not_read(change: Callable, said: str, tmp_path: Path):
    made = udd.distill(dataset(), "random", 1, device="cpu")
    made._replace(images=change(made.images)).save(tmp_path / "a.safetensors")
    refused(lambda: udd.load(tmp_path / "a.safetensors"), f"a.safetensors: .*{said}")
    about = made.metadata | {"provenance": {"imported": {"anyway": True}}}
    made._replace(images=40 * made.images - 20, metadata=about).save(tmp_path / "a.safetensors")
    assert udd.load(tmp_path / "a.safetensors").images.min() < -3
