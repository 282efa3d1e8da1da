"""Outputs are checked before any work, and replace nothing that is read; options may stand before what they are of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from test_own import WORDS, digits

import udd
from udd import exporting, importing, judge, own
from udd.errors import UserError
from udd.reports import show

__all__ = ["digits"]
QUICK = ["--networks", "1", "--epochs", "1", "--width", "4", "--device", "cpu", "--alone"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of scikit-learn's digits, ours and as IDC keeps it, and a folder."""
    folder = tmp_path_factory.mktemp("outputs")
    udd.distill(udd.dataset("digits"), "random", 1).save(folder / "a.safetensors")
    exporting.run([str(folder / "a.safetensors"), "--as", "idc", "--out", str(folder / "a.pt")])
    (folder / "folder.safetensors").mkdir()
    return folder


COMMANDS: dict[str, tuple[Callable, list[str]]] = {
    "evaluate": (judge.run, ["{0}/a.safetensors", "--dataset", "digits", *QUICK, "--out"]),
    "import": (importing.run, ["{0}/a.pt", "--as", "idc", "--dataset", "digits", "--out"]),
    "export": (exporting.run, ["{0}/a.safetensors", "--as", "idc", "--out"]),
    "show": (show.run, ["{0}/a.safetensors", "--out"]),
    "page": (show.run, ["{0}/a.safetensors", "--html"]),
}


@pytest.mark.parametrize("verb", COMMANDS)
def test_an_output_is_no_folder_and_not_what_is_read(verb: str, place: Path, monkeypatch: pytest.MonkeyPatch):
    run, words = COMMANDS[verb]
    words = [word.format(place) for word in words]
    before = {path: path.read_bytes() for path in place.iterdir() if path.is_file()}
    monkeypatch.chdir(place)
    for out in (".", "folder.safetensors", str(place / "folder.safetensors")):
        with pytest.raises(UserError, match=f"--[a-z]+: {out} is a folder; name a file in it"):
            run([*words, out])
    with pytest.raises(UserError, match="--[a-z]+: .* is read here, and would be lost; give another name"):
        run([*words, words[0]])
    assert before == {path: path.read_bytes() for path in place.iterdir() if path.is_file()}


@pytest.mark.parametrize("verb", COMMANDS)
def test_where_nothing_can_be_written_is_told_before_any_work(verb: str, place: Path, monkeypatch: pytest.MonkeyPatch):
    run, words = COMMANDS[verb]
    monkeypatch.setattr(udd, "dataset", None, raising=False)
    monkeypatch.setattr("udd.synthetic.sets.load", None)
    ending = {"import": "safetensors", "show": "png", "page": "html"}.get(verb, "any")
    with pytest.raises(UserError, match="a.pt: could not be written .Not a directory."):
        run([*[word.format(place) for word in words], str(place / "a.pt" / f"o.{ending}")])


def test_an_import_is_a_safetensors(place: Path):
    run, words = COMMANDS["import"]
    with pytest.raises(UserError, match="--out: found o.txt, expected a name that ends in .safetensors"):
        run([*[word.format(place) for word in words], "o.txt"])


def test_what_was_measured_is_said_where_it_cannot_be_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def full(*_: object) -> None:
        raise UserError("no space")

    monkeypatch.setattr(judge, "write_json", full)
    run, words = COMMANDS["evaluate"]
    with pytest.raises(UserError, match="no space"):
        run([*[word.format(place) for word in words], str(place / "b.json"), "--json"])
    assert json.loads(capsys.readouterr().out)["rows"][0]["n"] == 1


def test_options_may_stand_before_the_source(digits: list[int], tmp_path: Path):
    out = str(tmp_path / "a.safetensors")
    own.run(["--out", out, "--method", "random", "--networks", "0", "--ipc", "2", "digits"])
    own.run(["--networks", "0", "--method", "random", "--out", str(tmp_path / "b.safetensors"), "--", "-digits"])
    one, other = udd.load(out), udd.load(tmp_path / "b.safetensors")
    assert len(one.images) == 2 * len(other.images)


def test_options_may_stand_before_the_set(place: Path, capsys: pytest.CaptureFixture):
    judge.run([*QUICK, "--dataset", "digits", str(place / "a.safetensors")])
    assert "a.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "cell"), [(own.run, "udd.runs.distilling.run"), (judge.run, "udd.evaluation.records.run")]
)
@pytest.mark.parametrize("words", [["--params", "params.yaml"], ["--config={}", "--json"]])
def test_a_cell_is_still_a_cell(run: Callable, cell: str, words: list[str], monkeypatch: pytest.MonkeyPatch):
    asked: list[list[str]] = []
    monkeypatch.setattr(cell, asked.append)
    run(words)
    assert asked == [words]


@pytest.mark.parametrize("value", ["{", "@x", "*", "%x", "a: b: c"])
def test_a_value_that_is_no_yaml_is_bad_usage(value: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit, match="2"):
        own.run([*WORDS, f"policy={value}"])
    said = capsys.readouterr().err
    assert said.startswith(f"error: udd distill: argument --set: found policy={value}, expected a value as in params")
    assert len(said.splitlines()) == 1
