"""Raw data that changes after its manifest was made: what is noticed, what is not a change, what is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import fakes
import numpy as np
import pytest
from prepared import manifest_of
from test_data_official import official_fakes  # noqa: F401  (a fixture)

from udd import data
from udd.data import packing, sources
from udd.errors import UserError

PETS = {"name": "pets", "kind": "folder", "size": 6}


def look(root: Path, config: dict = PETS) -> tuple[str, str]:
    """The fingerprint and what is said, as the workflow sees them at its start."""
    return sources.fingerprint(config, root, root / "manifest.json")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A root with a folder of pets and its manifest."""
    fakes.write_tree(tmp_path / "pets", n=4)
    manifest_of(tmp_path, PETS)
    return tmp_path


def relabel(base: Path) -> None:
    (base / "train/cat/0.png").rename(base / "train/dog/moved.png")


def swap(base: Path) -> None:
    for old, new in (("train/cat/0.png", "x"), ("train/dog/1.png", "train/cat/0.png"), ("x", "train/dog/1.png")):
        (base / old).rename(base / new)


def add_a_class(base: Path) -> None:
    for split in ("train", "test"):
        shutil.copytree(base / split / "cat", base / split / "emu")


CHANGES = {
    "relabelled": relabel,
    "two swapped": swap,
    "removed": lambda base: (base / "test/dog/3.png").unlink(),
    "added": lambda base: shutil.copy(base / "test/dog/3.png", base / "test/dog/4.png"),
    "other pixels": lambda base: fakes.image(seed=99).save(base / "train/cat/0.png"),
    "a class more": add_a_class,
    "an image a folder deeper": lambda base: shutil.copytree(base / "test/dog", base / "test/dog/deep"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_folder_is_noticed_until_the_manifest_is_made_again(pets: Path, name: str):
    before = look(pets)
    CHANGES[name](pets / "pets")
    changed, said = look(pets)
    assert before[1] == "" and changed != before[0]
    assert said.startswith("pets: raw files below") and "has to be made again" in said and "\n" not in said
    assert look(pets) == (changed, said)  # also at the next start
    manifest_of(pets, PETS)
    assert look(pets) == (changed, "")  # the parameter that the rule was run with: it does not run twice


def test_the_first_start_and_the_next_give_the_rule_one_parameter(tmp_path: Path):
    fakes.write_tree(tmp_path / "pets")
    first = look(tmp_path)
    manifest_of(tmp_path, PETS)
    assert first[0] and look(tmp_path) == first == (first[0], "")


def test_new_times_other_places_and_foreign_files_are_no_change(pets: Path):
    before = look(pets)
    for path in (pets / "pets").rglob("*.png"):
        os.utime(path, (1, 1))
    (pets / "pets/train/cat/notes.txt").write_text("x")
    (pets / "pets/train/.hidden").mkdir()
    assert look(pets) == before
    shutil.copytree(pets, pets / "copy", ignore=shutil.ignore_patterns("packed", "copy"))
    assert look(pets / "copy") == before


def test_only_what_has_new_times_is_read_again(pets: Path, monkeypatch: pytest.MonkeyPatch):
    look(pets)
    read: list[str] = []
    monkeypatch.setattr(sources, "sha256", lambda path: read.append(path.name) or "0")
    look(pets)
    assert read == []
    os.utime(pets / "pets/train/cat/2.png", (1, 1))
    look(pets)
    assert read == ["2.png"]


def test_a_root_that_cannot_be_written_is_looked_at_all_the_same(pets: Path, monkeypatch: pytest.MonkeyPatch):
    before = look(pets)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources, "write_json", refuse)
    relabel(pets / "pets")
    assert look(pets)[0] != before[0] and look(pets) == look(pets)


def test_a_link_to_nowhere_is_left_to_the_rule_that_says_which_it_is(pets: Path):
    before = look(pets)
    (pets / "pets/train/cat/z.png").symlink_to("nowhere.png")
    assert look(pets)[0] != before[0] and "1 new" in look(pets)[1]
    with pytest.raises(UserError, match="z.png: no such file"):
        packing.prepare(PETS, pets)


def test_a_broken_memory_is_no_matter(pets: Path):
    before = look(pets)
    (memory,) = (pets / "packed").glob("*.times.json")
    for content in ("{", "[]", '{"train/cat/0.png": 1}', '{"train/cat/0.png": [[1], {}]}'):
        memory.write_text(content)
        assert look(pets) == before


def test_raw_data_that_is_gone_is_allowed_and_said(pets: Path, capsys: pytest.CaptureFixture):
    before = look(pets)
    shutil.rmtree(pets / "pets")
    after, said = look(pets)
    assert after == before[0] and said.startswith("pets: no raw files below") and "stand for them" in said
    whole = (pets / "manifest.json").read_bytes()
    manifest_of(pets, PETS)  # as the rule does when the code has changed
    assert (pets / "manifest.json").read_bytes() == whole and "kept; no raw files" in capsys.readouterr().out
    assert len(data.load(pets / "manifest.json", pets).train_images) == 8

    (packed,) = (pets / "packed").glob("*.safetensors")
    packed.write_bytes(packed.read_bytes()[:-1])
    with pytest.raises(UserError, match="packed/pets.* bytes"):
        manifest_of(pets, PETS)
    packed.unlink()
    with pytest.raises(UserError, match="train: no such folder"):
        manifest_of(pets, PETS)


def test_another_configuration_is_no_excuse_for_missing_raw_data(pets: Path):
    shutil.rmtree(pets / "pets")
    with pytest.raises(UserError, match="train: no such folder"):
        manifest_of(pets, PETS | {"size": 4})


def test_npz(tmp_path: Path):
    config = {"name": "mine", "kind": "npz"}
    fakes.write_npz(tmp_path / "mine.npz")
    manifest_of(tmp_path, config)
    before = look(tmp_path, config)
    fakes.write_npz(tmp_path / "mine.npz", train_labels=np.roll(fakes.labels(12, 3), 1))
    changed, said = look(tmp_path, config)
    assert changed != before[0] and "(1 changed)" in said
    (tmp_path / "mine.npz").unlink()
    assert look(tmp_path, config)[0] == before[0] and "no raw files" in look(tmp_path, config)[1]


FILES = {
    "mnist": "MNIST/raw/t10k-labels-idx1-ubyte.gz",
    "fashionmnist": "FashionMNIST/raw/train-images-idx3-ubyte.gz",
    "svhn": "test_32x32.mat",
    "cifar10": "cifar-10-python.tar.gz",
    "cifar100": "cifar-100-python.tar.gz",
}


@pytest.mark.parametrize("kind", FILES)
def test_official_files(official_fakes: Path, kind: str):  # noqa: F811
    """Before a download, after it, and deleted, they are the same data; harmed ones are noticed, as often as one
    looks."""
    config = {"name": kind, "kind": kind}
    assert look(official_fakes, config) == ("", "")
    manifest_of(official_fakes, config)
    assert look(official_fakes, config) == ("", "")
    path = official_fakes / FILES[kind]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert look(official_fakes, config)[0] and look(official_fakes, config) == look(official_fakes, config)
    assert "not as its manifest pins them" in look(official_fakes, config)[1]
    path.write_bytes(whole)
    assert look(official_fakes, config) == ("", "")
    for file in [file for file in official_fakes.rglob("*") if file.suffix in (".mat", ".gz")]:
        file.unlink()
    assert look(official_fakes, config)[0] == ""


def test_cifar_from_its_folder_is_the_data_of_its_archive(official_fakes: Path):  # noqa: F811
    config = {"name": "cifar10", "kind": "cifar10"}
    manifest_of(official_fakes, config)
    (official_fakes / "cifar-10-python.tar.gz").unlink()
    assert look(official_fakes, config) == ("", "")
    (official_fakes / "cifar-10-batches-py/test_batch").write_bytes(b"x")
    assert "(1 changed)" in look(official_fakes, config)[1]


def test_digits_come_with_scikit_learn(tmp_path: Path):
    config = {"name": "digits", "kind": "digits"}
    manifest_of(tmp_path, config)
    assert look(tmp_path, config) == ("", "")
