"""Sets that were made elsewhere take their place in the workflow, if the present code made them."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from tiny import ROOT, config

from udd.cli import UserError
from udd.runs import shelf, take
from udd.runs.provenance import code_digest
from udd.synthetic.sets import SyntheticSet, save


def manifest(folder: Path, content: str = "{}") -> Path:
    """A data set's manifest, as far as the shelf looks at it: its bytes."""
    path = folder / "manifest.json"
    path.write_text(content)
    return path


def place(folder: Path, raw: Path) -> Path:
    """Where the set lies that is made of the data of a manifest."""
    return shelf.place(folder, config(), "udd.methods.udd", shelf.inputs_digest([raw]), ".safetensors")


def a_set(path: Path, code: str = "", inputs: bool = True) -> Path:
    """A set with its curve, as a run elsewhere leaves them."""
    made_of = {"inputs": shelf.inputs_digest([manifest(path.parent)])} if inputs else {}
    metadata = {"config": config(), "provenance": {"code": code or code_digest("udd.methods.udd")} | made_of}
    nothing = torch.zeros(1, 0, dtype=torch.uint8)
    save(path, SyntheticSet(torch.zeros(1, 1, 4, 4), torch.zeros(1, dtype=torch.int64), nothing, torch.zeros(0, 4, dtype=torch.int64), metadata))
    path.with_suffix(".csv").write_text("iteration\n")
    return path


def test_a_set_made_elsewhere_is_taken_with_its_curve(tmp_path, capsys):
    path, folder, wanted = a_set(tmp_path / "udd.safetensors"), tmp_path / "shelf", tmp_path / "results" / "seed0.safetensors"
    shelf.run([str(folder), str(path)])
    lying = place(folder, manifest(tmp_path))
    assert str(lying) in capsys.readouterr().out
    assert lying.with_suffix(".csv").read_text() == "iteration\n"
    assert shelf.take(lying, wanted) and wanted.read_bytes() == path.read_bytes()
    assert not lying.exists() and not shelf.take(lying, wanted)


def taking(folder: Path, wanted: Path) -> list[str]:
    """The command line of udd.runs.take for that set and its curve."""
    outs = [str(wanted), str(wanted.with_suffix(".csv"))]
    inputs = ["--inputs", str(folder.parent / "manifest.json")]
    return ["--module", "udd.methods.udd", "--config", json.dumps(config()), *inputs, "--shelf", str(folder), "--out", *outs]


def test_a_job_takes_what_lies_there_and_otherwise_has_to_make_it(tmp_path):
    path, folder, wanted = a_set(tmp_path / "udd.safetensors"), tmp_path / "shelf", tmp_path / "results" / "seed0.safetensors"
    with pytest.raises(SystemExit) as absent:
        take.run(taking(folder, wanted))
    assert absent.value.code == 1 and not wanted.parent.exists()
    shelf.run([str(folder), str(path)])
    take.run(taking(folder, wanted))
    assert wanted.read_bytes() == path.read_bytes() and wanted.with_suffix(".csv").read_text() == "iteration\n"
    assert not list(folder.iterdir())


def test_a_note_that_it_failed_is_left_for_the_job_to_say(tmp_path):
    lying = place(tmp_path / "shelf", manifest(tmp_path))
    shelf.fail(lying, "why")
    with pytest.raises(SystemExit) as failed:
        take.run(taking(tmp_path / "shelf", tmp_path / "set.safetensors"))
    assert failed.value.code == 1 and lying.with_suffix(".failed").read_text() == "why"


def test_taking_needs_no_torch():
    code = "import sys, udd.runs.take; assert not {'torch', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_another_configuration_code_or_data_has_another_place(tmp_path, monkeypatch):
    asked = list(product((config(), config(seed=1)), ("udd.methods.udd", "udd.evaluation.accuracy"), ("data", "others")))
    places = {shelf.place(tmp_path, *each, ".json") for each in asked}
    assert len(places) == 8
    monkeypatch.setattr("udd.runs.shelf.code_digest", lambda module: "another")
    assert shelf.place(tmp_path, config(), "udd.methods.udd", "data", ".json") not in places


def test_what_was_made_of_other_data_is_not_taken(tmp_path):
    """The data set was replaced while its result lay on the shelf, or a set was made again while an evaluation of the old one did."""
    shelf.run([str(tmp_path / "shelf"), str(a_set(tmp_path / "udd.safetensors"))])
    manifest(tmp_path, '{"other": "files"}')
    with pytest.raises(SystemExit):
        take.run(taking(tmp_path / "shelf", tmp_path / "set.safetensors"))
    assert not (tmp_path / "set.safetensors").exists()


def test_inputs_are_known_by_all_their_contents(tmp_path):
    files = [tmp_path / name for name in "abc"]
    for file, content in zip(files, "xyx", strict=True):
        file.write_text(content)
    a, b, c = files
    assert shelf.inputs_digest([a, b]) == shelf.inputs_digest([c, b]) == shelf.inputs_digest([a, None, b])
    assert len({shelf.inputs_digest(some) for some in ([a], [a, b], [b, a], [a, a], [])}) == 5


def test_what_does_not_fit_is_refused_in_one_line(tmp_path):
    folder = str(tmp_path / "shelf")
    with pytest.raises(UserError, match="made by the code 0123, expected .*check out the revision"):
        shelf.run([folder, str(a_set(tmp_path / "old.safetensors", "0123"))])
    with pytest.raises(UserError, match="does not say of which data it was made"):
        shelf.run([folder, str(a_set(tmp_path / "silent.safetensors", inputs=False))])
    alone = a_set(tmp_path / "alone.safetensors")
    alone.with_suffix(".csv").unlink()
    with pytest.raises(UserError, match=r"alone\.csv: no such file"):
        shelf.run([folder, str(alone)])
    for content in (alone.read_bytes()[:50], json.dumps({}).encode()):
        alone.write_bytes(content)
        with pytest.raises(UserError, match="not a whole synthetic set"):
            shelf.run([folder, str(alone)])
    assert not (tmp_path / "shelf").exists()
