"""`udd show` of what is no set of ours, and of a user's own files: nothing is to be deleted, nothing to be made by a
rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import dataset

import udd
from udd import exporting
from udd.errors import UserError
from udd.reports import show
from udd.synthetic import sets


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A set of ours."""
    udd.distill(dataset(), "random", 1, device="cpu").save(tmp_path / "set.safetensors")
    return tmp_path / "set.safetensors"


def test_anothers_set_is_to_be_imported(tmp_path: Path):
    torch.save({"data": []}, path := tmp_path / "res_x.pt")
    for act in (
        lambda: show.run([str(path)]),
        lambda: udd.load(path),
        lambda: exporting.run([str(path), "--as", "idc", "--out", str(tmp_path / "out.pt")]),
    ):
        with pytest.raises(UserError, match="not a .safetensors of ours; read it by udd import .*res_x.pt --as FORMAT"):
            act()
    with pytest.raises(UserError, match="absent.safetensors: no such file$"):
        show.run([str(tmp_path / "absent.safetensors")])


@pytest.mark.parametrize("content", [None, "{"])
def test_a_users_own_record_is_not_to_be_deleted(content: str | None, ours: Path):
    record = ours.with_name("mine.json")
    if content:
        record.write_text(content)
    with pytest.raises(UserError, match="mine.json: .*; give a record of results/accuracy, or what udd evaluate FILE"):
        show.run([str(ours), "--html", str(ours.with_suffix(".html")), "--record", str(record)])


def test_a_gallery_is_a_png(ours: Path):
    with pytest.raises(UserError, match="--out: found .*u.jpg, expected a name that ends in .png"):
        show.run([str(ours), "--out", str(ours.with_name("u.jpg"))])


def test_a_set_is_saved_under_its_ending_alone(ours: Path, tmp_path: Path):
    for name in ("foo.pt", "foo"):
        with pytest.raises(UserError, match=f"{name}: expected a name that ends in .safetensors"):
            udd.load(ours).save(tmp_path / name)
    assert not list(tmp_path.glob("foo*"))


@pytest.mark.parametrize(("option", "name"), [("--out", "mine.png"), ("--html", "mine.html"), ("", "a.png")])
def test_what_is_no_gallery_or_page_of_ours_stays(option: str, name: str, ours: Path, tmp_path: Path):
    made = tmp_path / "a.safetensors"
    made.write_bytes(ours.read_bytes())
    (tmp_path / name).write_text("mine")
    words = [option, str(tmp_path / name)] if option else []
    with pytest.raises(UserError, match=f"{name} stands there already and is not a (gallery|page) of ours"):
        show.run([str(made), *words])
    assert (tmp_path / name).read_text() == "mine" and len(list(tmp_path.iterdir())) == 3


def test_a_page_has_a_pages_name_and_may_be_written_again(ours: Path, tmp_path: Path):
    with pytest.raises(UserError, match="--html: found .*loss.csv, expected a name that ends in .html"):
        show.run([str(ours), "--out", str(tmp_path / "a.png"), "--html", str(tmp_path / "loss.csv")])
    for _ in range(2):
        show.run([str(ours), "--out", str(tmp_path / "a.png"), "--html", str(tmp_path / "a.html")])


def test_pixels_that_are_no_numbers_are_not_drawn(ours: Path, tmp_path: Path):
    made = sets.load(ours)
    made.images[0, 0, 0] = float("nan")
    sets.save(tmp_path / "broken.safetensors", made)
    with pytest.raises(UserError, match=r"broken.safetensors: \d+ pixels are not finite"):
        show.run([str(tmp_path / "broken.safetensors")])
    assert not (tmp_path / "broken.png").exists()


def test_a_longer_runs_curve_is_not_the_sets(tmp_path: Path):
    """Or a shorter one's. Of as many iterations it cannot be told whose it is."""
    keys = {"device": "cpu", "width": 4, "batch_real": 2, "inner": 1}
    for outer in (1, 3):
        out = tmp_path / f"{outer}.safetensors"
        udd.distill(dataset(), "dm", 1, outer=outer, out=out, curve=out.with_suffix(".csv"), **keys)
    words = [str(tmp_path / "3.safetensors"), "--html", str(tmp_path / "a.html"), "--curve"]
    with pytest.raises(UserError, match="1.csv: ends at iteration 1, the set at 3; give the curve written"):
        show.run([*words, str(tmp_path / "1.csv")])
    show.run([*words, str(tmp_path / "3.csv")])
