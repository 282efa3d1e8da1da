"""Where sets in other formats go: nothing of another kind, and of another set, is replaced."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from foreign import LABELS, RGB, a_set

import udd
from udd import exporting, importing
from udd.errors import UsageError, UserError
from udd.synthetic.formats import exported

WHOLE = torch.zeros(0, 4, dtype=torch.int64)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A set of digits."""
    udd.distill(udd.dataset("digits"), "random", 1).save(tmp_path / "ours.safetensors")
    return tmp_path / "ours.safetensors"


@pytest.mark.parametrize(
    ("name", "out"), [("idc", "notes.txt"), ("npz", "figure.png"), ("frepo", "a.npz"), ("mtt", "images_best.pt")]
)
def test_what_is_no_file_of_a_format_stays(name: str, out: str, ours: Path, tmp_path: Path):
    (tmp_path / out).write_text("mine")
    words = [str(ours), "--as", name, "--normalised", "none", "--out", str(tmp_path / out)]
    with pytest.raises(UserError, match=f"{out} stands there already and is not a file of any format"):
        exporting.run([word for word in words if name != "npz" or word not in ("--normalised", "none")])
    assert (tmp_path / out).read_text() == "mine"


@pytest.mark.parametrize("name", ["idc", "npz", "ddranking"])
def test_an_export_may_be_made_again_and_is_not_called_as_ours(name: str, ours: Path, tmp_path: Path):
    more = ["--normalised", ".3", ".4"] if name == "ddranking" else []
    for _ in range(2):
        exporting.run([str(ours), "--as", name, *more, "--out", str(tmp_path / "images.pt")])
    with pytest.raises(UsageError, match="other.safetensors, which is how our own sets are called"):
        exporting.run([str(ours), "--as", name, "--out", str(tmp_path / "other.safetensors")])


def test_an_archive_of_something_else_stays(ours: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "report.docx", "w") as file:
        file.writestr("word/document.xml", "mine")
    (tmp_path / "text").write_text("a word on PAR1")
    for name in ("report.docx", "text"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(UserError, match=f"{name} stands there already and is not a file of any format"):
            exporting.run([str(ours), "--as", "idc", "--out", str(tmp_path / name)])
        assert (tmp_path / name).read_bytes() == before


def test_an_import_replaces_sets_alone(ours: Path, tmp_path: Path):
    exporting.run([str(ours), "--as", "idc", "--out", str(tmp_path / "a.pt")])
    (out := tmp_path / "weights.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}              ")
    words = [str(tmp_path / "a.pt"), "--as", "idc", "--factor", "1", "--dataset", "digits", "--out"]
    with pytest.raises(UserError, match="weights.safetensors stands there already and is not a set"):
        importing.run([*words, str(out)])
    importing.run([*words, str(ours)])
    assert udd.load(ours).metadata["config"]["method"] == "imported"


@pytest.mark.parametrize("stands", ["labels_best.pt", "lr_best.pt"])
@pytest.mark.parametrize("rate", [None, 0.5])
def test_labels_and_rates_of_another_set_stay(stands: str, rate: float | None, tmp_path: Path):
    (tmp_path / stands).write_bytes(b"another's")
    with pytest.raises(UserError, match=f"{stands}: stands there already, of another set, or of an export"):
        exported(a_set(RGB, LABELS, WHOLE, True, rate=rate), tmp_path / "images_best.pt", "mtt", RGB)
    assert (tmp_path / stands).read_bytes() == b"another's" and len(list(tmp_path.iterdir())) == 1


def test_a_rate_is_not_left_for_a_set_that_has_none(tmp_path: Path):
    path = tmp_path / "images_best.pt"
    exported(a_set(RGB, LABELS, WHOLE, True, rate=0.5), path, "mtt", RGB)
    before = path.read_bytes()
    with pytest.raises(UserError, match="lr_best.pt: stands there already, of another set"):
        exported(a_set(RGB, LABELS, WHOLE, True, seed=1), path, "mtt", RGB)
    assert path.read_bytes() == before


def test_a_file_called_as_ours_is_read_as_what_it_is_said_to_be(ours: Path, tmp_path: Path):
    exporting.run([str(ours), "--as", "idc", "--out", str(tmp_path / "a.pt")])
    (tmp_path / "a.pt").rename(tmp_path / "odd.safetensors")
    found = udd.read(tmp_path / "odd.safetensors", "idc", udd.dataset("digits"), factor=1)
    assert torch.equal(found.images, udd.load(ours).images)
