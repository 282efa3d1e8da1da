"""What a method's module gives is looked through: its author reads what was wrong, and no run is lost."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from tiny import dataset
from torch import Tensor

import udd
from udd.errors import Stopped, UserError
from udd.methods import dm
from udd.runs import checkpoint

DATA = dataset()
KEYS: dict[str, Any] = {"outer": 2, "inner": 1, "width": 4, "batch_real": 4, "device": "cpu"}


class Odd(NamedTuple):
    """A state that holds what no checkpoint can keep."""

    images: Tensor
    count: int


class Bare(NamedTuple):
    """A state without images."""

    pixels: Tensor


def made(path: Path, **keys: Any) -> Any:
    """A set of DM's, with its checkpoint at `path`."""
    return udd.distill(DATA, "dm", 2, checkpoint=path, **KEYS | keys)


@pytest.mark.parametrize(
    ("begun", "said"),
    [
        (lambda state: Odd(state.images, 3), "begin gave a state whose count holds a value of int, expected tensors"),
        (lambda state: Bare(state.images), "begin gave a value of Bare, expected a NamedTuple of tensors with the"),
        (lambda state: state.images, r"begin gave torch.float32 \[3, 2, 3, 8, 8\], expected a NamedTuple"),
        (lambda state: state._replace(images=state.images.double()), r"images of torch.float64 \[3, 2, 3, 8, 8\], exp"),
        (lambda state: state._replace(images=state.images[:, :1]), r"expected torch.float32 \[3, 2, 3, 8, 8\] \[C, B"),
        (lambda state: state._replace(images=state.images.flatten(0, 1)), r"images of torch.float32 \[6, 3, 8, 8\]"),
    ],
)
def test_what_begin_gives_is_a_state(begun: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = dm.begin
    monkeypatch.setattr(dm, "begin", lambda *given: begun(real(*given)))
    with pytest.raises(UserError, match=f"method dm: .*{said}.*see docs/add-a-method.md"):
        made(tmp_path / "run")


@pytest.mark.parametrize(
    ("stepped", "said"),
    [
        (lambda state, scalars: state, "step gave a value of .*, expected a state and a dict of scalars"),
        (lambda state, scalars: (state, {"loss": 0.5}), "step gave the scalar loss as a value of float, expected a te"),
        (
            lambda state, scalars: (state, {"loss": torch.zeros(7)}),
            r"loss as torch.float32 \[7\], expected a tensor \[3",
        ),
        (lambda state, scalars: (state.images, scalars), r"step gave torch.float32 .* NamedTuple of tensors"),
    ],
)
def test_what_a_step_gives_is_a_state_and_scalars(stepped: Any, said: str, tmp_path: Path, monkeypatch):
    real = dm.step
    monkeypatch.setattr(dm, "step", lambda *given: stepped(*real(*given)))
    with pytest.raises(UserError, match=f"method dm: .*{said}"):
        made(tmp_path / "run")


@pytest.mark.parametrize("found", ["proxy", None])
def test_a_method_says_which_networks_it_meets(found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if found:
        monkeypatch.setattr(dm, "MEETS", found)
    else:
        monkeypatch.delattr(dm, "MEETS")
    with pytest.raises(UserError, match=f"method dm: found MEETS = {found!r}, expected PROXIES, OWN or EXPERTS"):
        made(tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: None, "finish gave a value of NoneType, expected a SyntheticSet"),
        (
            lambda made: made._replace(images=made.images * torch.nan),
            "a set whose .* pixels are not finite",
        ),
        (
            lambda made: made._replace(images=made.images * 255),
            "a set whose pixels run from .* expected 0 to 1",
        ),
        (lambda made: made._replace(images=made.images.double()), "finish gave a set whose pixels are torch.float64"),
        (lambda made: made._replace(labels=made.labels.int()), "finish gave labels of torch.int32"),
        (
            lambda made: made._replace(labels=made.labels[1:]),
            r"finish gave a set that is none: labels are torch.int64 \[5",
        ),
        (lambda made: made._replace(labels=torch.ones(6, 3)), "finish gave labels that come to 3"),
        (lambda made: made._replace(metadata={}), "a set that is none: its metadata has no dataset"),
    ],
)
def test_what_is_finished_can_be_trained_on_and_loses_no_run(change: Any, said: str, tmp_path: Path, monkeypatch):
    path, out = tmp_path / "run", tmp_path / "set.safetensors"
    whole = made(tmp_path / "other")
    with pytest.raises(Stopped):  # a run that was cut: its checkpoint is there
        made(path, minutes=1e-9)
    monkeypatch.setattr(dm, "finish", finished(dm.finish, change))
    with pytest.raises(UserError, match=f"method dm: .*{said}"):
        made(path, out=out)
    assert path.exists() and not out.exists()
    monkeypatch.undo()
    assert torch.equal(made(path, out=out).images, whole.images)  # the method mended, the run goes on


def finished(real: Any, change: Any) -> Any:
    """A method's `finish` whose set is changed."""
    return lambda *given: change(real(*given))


@pytest.mark.parametrize(("one", "other"), [*permutations(["checkpoint", "curve", "out"], 2)])
def test_two_outputs_are_two_files(one: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="a.safetensors, which is also the file of"):
        udd.distill(DATA, "dm", 1, **KEYS | {one: "a.safetensors", other: tmp_path / "a.safetensors"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("key", "name"), [("curve", "notes.csv"), ("out", "weights.safetensors")])
def test_nothing_of_another_kind_is_replaced(key: str, name: str, tmp_path: Path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{key}: .*{name} stands there already and is not a"):
        made(tmp_path / "run", **{key: tmp_path / name})
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("key", ["curve", "out"])
def test_ones_own_are_replaced(key: str, tmp_path: Path):
    path = tmp_path / {"curve": "a.csv", "out": "a.safetensors"}[key]
    for _ in range(2):
        made(tmp_path / "run", **{key: path})
    assert path.exists()


def test_a_finished_set_in_a_checkpoints_place_stays(tmp_path: Path):
    made(tmp_path / "run", out=(path := tmp_path / "set.safetensors"))
    before = path.read_bytes()
    with pytest.raises(UserError, match="set.safetensors: a finished set, where a checkpoint would go; give the ch"):
        checkpoint.read(path)
    with pytest.raises(UserError, match="a finished set"):
        made(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("scale", [255.0, torch.nan])
def test_pixels_that_are_none_are_not_evaluated(scale: float, tmp_path: Path):
    whole = made(tmp_path / "run")
    with pytest.raises(UserError, match="made: .*pixels"):
        udd.evaluate(whole._replace(images=whole.images * scale), DATA, 1, epochs=1, width=4, device="cpu")
