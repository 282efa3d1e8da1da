"""`udd distill SOURCE` beside what another request left: a run that was cut, a finished set; nothing is lost."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path

import pytest
from test_own import WORDS, digits
from tiny import dataset

import udd
from udd import own, source_request
from udd.errors import Stopped, UserError
from udd.runs import completing, loop

__all__ = ["digits"]


@pytest.fixture
def place(digits: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with tiny images under the name of a data set."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cut(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """A run that ends after its first step."""
    rung = type("Rung", (completing.Alarm,), {"reason": lambda _: "SIGTERM"})
    with monkeypatch.context() as patched:
        patched.setattr(completing, "Alarm", rung)
        with pytest.raises(Stopped, match="go on"):
            own.run(words)


def content(folder: Path) -> dict[str, bytes]:
    """All files but locks, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


@pytest.mark.parametrize("named", [[], ["--out", "tiny-idc-ipc1.safetensors"]])
def test_another_request_leaves_a_run_that_was_cut_and_its_schedule(
    named: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
):
    cut(monkeypatch, WORDS)
    before = content(place)
    assert {"tiny-idc-ipc1.checkpoint", "tiny-idc-ipc1.schedule.json"} == before.keys()
    said = r"tiny-idc-ipc1.checkpoint: of a run that was cut, by another request \(set.distance is None.*--out FILE"
    with pytest.raises(UserError, match=said):
        own.run([*WORDS, "distance=l1", *named])
    assert content(place) == before
    own.run(WORDS)  # goes on
    assert len(json.loads(Path("tiny-idc-ipc1.schedule.json").read_text())["asked"]["set"]) == 8


@pytest.mark.parametrize("broken", [False, True])
def test_a_checkpoint_of_something_else_is_refused_before_networks_are_made(
    broken: bool, place: Path, monkeypatch: pytest.MonkeyPatch
):
    cut(monkeypatch, [*WORDS, "--cache", "one"])
    run = Path("tiny-idc-ipc1.checkpoint")
    if broken:
        run.write_bytes(b"")
    with pytest.raises(UserError, match="not a whole checkpoint" if broken else "another configuration or other code"):
        udd.distill(udd.dataset("tiny"), "idc", checkpoint=run, cache="two", device="cpu", networks="cached", width=4)
    assert Path("one").exists() and not Path("two").exists()


def test_a_finished_set_is_replaced_by_no_other_request_unless_its_name_is_given(
    place: Path, capsys: pytest.CaptureFixture
):
    own.run(WORDS)
    before = content(place)
    with pytest.raises(UserError, match=r"tiny-idc-ipc1.safetensors: made by another request \(set.distance is None"):
        own.run([*WORDS, "distance=l1"])
    assert content(place) == before
    capsys.readouterr()
    own.run(WORDS)
    assert "made before by the same request" in capsys.readouterr().err
    own.run([*WORDS, "distance=l1", "--out", "tiny-idc-ipc1.safetensors"])
    assert udd.load("tiny-idc-ipc1.safetensors").metadata["config"]["idc"]["distance"] == "l1"


@pytest.mark.parametrize("name", ["flowers.csv", "flowers.png", "flowers.html", "flowers.safetensors"])
def test_a_file_of_something_else_is_not_replaced(name: str, place: Path):
    """A table flowers.csv beside the folder flowers, say."""
    Path(name).write_text("mine")
    with pytest.raises(UserError, match=f"{name}: stands there already, of something else.*give another --out"):
        own.run([*WORDS, "--out", "flowers.safetensors"])
    assert content(place) == {name: b"mine"}


@pytest.mark.parametrize("gone", [["safetensors"], ["safetensors", "schedule.json"]])
def test_a_set_that_is_deleted_is_made_anew_beside_what_it_left(
    gone: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As the line says that finds it made before; with real pictures and pages."""
    monkeypatch.chdir(tmp_path)
    keys = "networks=fresh outer=1 inner=1 width=4 net_images=8 net_batch=4 batch_real=4 image_lr=0.01"
    words = ["digits", "--method", "idc", "--networks", "0", "--device", "cpu", "--set", *keys.split()]
    own.run([*words, "--out", "flowers.safetensors"])
    assert {"flowers.csv", "flowers.png", "flowers.html"} <= content(tmp_path).keys()
    for ending in gone:
        Path(f"flowers.{ending}").unlink(missing_ok=True)
    own.run([*words, "--out", "flowers.safetensors"])
    assert udd.load("flowers.safetensors").metadata["config"]["method"] == "idc"


def test_what_stands_beside_a_set_of_ours_is_drawn_anew(place: Path):
    own.run([*WORDS, "--out", "flowers.safetensors"])
    Path("flowers.png").write_text("older")
    own.run([*WORDS, "--out", "flowers.safetensors"])
    assert Path("flowers.png").read_bytes() != b"older"


def test_a_signal_during_the_last_step_ends_the_run_which_then_only_finishes(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """Else the signal were lost, and networks that are to measure the set were trained on."""
    step = loop.Distillation.step

    def asked(run: loop.Distillation, logged: bool):
        found = step(run, logged)
        if run.done == run.total:
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(loop.Distillation, "step", asked)
        with pytest.raises(Stopped, match="stopped by SIGTERM after 2 of 2 iterations"):
            own.run(WORDS)
    assert not Path("tiny-idc-ipc1.safetensors").exists()
    own.run(WORDS)
    cut_there = udd.load("tiny-idc-ipc1.safetensors")
    own.run([*WORDS, "--out", "whole.safetensors"])
    assert (cut_there.images == udd.load("whole.safetensors").images).all()


@pytest.mark.parametrize(
    "keys", [{"rate_lr": 1e-5, "image_lr_decay_at": [0.6, 0.8], "init": "mix", "cfc": False, "outer": 20}]
)
def test_the_schedule_by_hand_is_what_the_command_line_takes(keys: dict):
    line = " ".join(shlex.quote(word) for word in own.by_hand(keys))
    assert dict(source_request.pair(word) for word in shlex.split(line)) == keys


def test_a_schedule_belongs_to_what_a_split_notes(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Distance and mirroring follow from it: another note asks for another schedule."""
    own.run(WORDS)
    real = udd.dataset
    monkeypatch.setattr(udd, "dataset", lambda *of, **keys: real(*of, **keys)._replace(like="mnist"))
    with pytest.raises(UserError, match=r"made by another request \(like"):
        own.run(WORDS)


@pytest.mark.parametrize("inner", [0, -1, "x", 1.5])
@pytest.mark.parametrize("method", ["dm", "kip", "dance"])
def test_steps_that_are_no_number_are_one_line(method: str, inner: object):
    with pytest.raises(UserError, match="inner: found"):
        udd.short(dataset(side=16), method, 1, inner=inner, device="cpu")
