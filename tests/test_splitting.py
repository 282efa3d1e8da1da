"""`udd split`: training images that stand for test images."""

from __future__ import annotations

import json
from pathlib import Path

import fakes
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import udd
from udd import sources
from udd.data.arrays import read_npz
from udd.data.raw import Raw
from udd.errors import UserError
from udd.interface import configuration
from udd.splitting import as_npz, parts, run, split


def raw(count: int = 12, channels: int = 3, classes: int = 3) -> Raw:
    """Images that differ, `count` to train, labels in turn, and test images that no split may hold."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 255, (count, channels, 4, 4), dtype=np.uint8)
    labels = np.arange(count) % classes
    return Raw(
        Path("source"), [f"class {i}" for i in range(classes)], [], images, labels, np.full_like(images, 255), labels
    )


@given(count=st.integers(2, 60), share=st.floats(0.01, 0.99), seed=st.none() | st.integers(0, 9))
def test_every_image_is_in_one_part_in_its_order(count: int, share: float, seed: int | None):
    test = min(count - 1, max(1, int(count * share)))
    train, held = parts(count, test, seed)
    assert len(held) == test and sorted([*train, *held]) == list(range(count))
    assert list(train) == sorted(train) and list(held) == sorted(held)
    if seed is None:
        assert list(held) == list(range(count - test, count))


def test_a_seed_draws_the_test_images():
    drawn = [tuple(parts(60, 20, seed)[1]) for seed in (0, 1)]
    assert drawn[0] != drawn[1] and drawn[0] == tuple(parts(60, 20, 0)[1]) and drawn[0] != tuple(range(40, 60))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_npz_holds_the_images_of_the_source(channels: int, tmp_path: Path):
    source = raw(channels=channels)
    np.savez(tmp_path / "a.npz", **as_npz(split(source, 4, None)))  # type: ignore[arg-type]
    found = read_npz({"name": "a", "classes": source.classes}, tmp_path, 0)
    assert (found.train_images == source.train_images[:8]).all() and (
        found.test_images == source.train_images[8:]
    ).all()
    assert (
        found.train_labels.tolist() == source.train_labels[:8].tolist()
        and found.test_labels.tolist() == source.train_labels[8:].tolist()
    )
    assert np.load(tmp_path / "a.npz")["train_labels"].dtype == np.uint8


@pytest.mark.parametrize("test", [0, -1, 12, 13])
def test_as_many_test_images_as_there_are_not_are_refused(test: int):
    with pytest.raises(
        UserError, match=f"--test: found {test}, expected 1 to 11, fewer than the 12 training images of source"
    ):
        split(raw(), test, None)


def test_a_class_without_test_images_is_refused():
    with pytest.raises(UserError, match="class 0"):
        split(raw(), 2, None)  # the last two are of classes 1 and 2


def test_the_command_writes_what_a_data_set_declares(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "held.npz"
    for words in ([], ["--seed", "3"]):
        run(["digits", "--test", "300", "--out", str(out), *words, "--json"])
        said = json.loads(capsys.readouterr().out)
        whole, made = udd.dataset("digits"), udd.dataset(out)
        held = parts(len(whole.train_images), 300, 3 if words else None)[1]
        assert (
            (said["train"], said["test"])
            == (len(made.train_images), 300)
            == (len(whole.train_images) - 300, len(made.test_images))
        )
        assert (made.test_images == whole.train_images[held]).all() and (
            made.test_labels == whole.train_labels[held]
        ).all()
        entry = yaml.safe_load(said["declared"])
        assert entry.pop("classes") == whole.classes and {"kind": "npz", "path": "held.npz"}.items() <= entry.items()
        assert entry["flip"] is False and entry["distill"]["matching_augment"] == ["color", "crop"]
        assert not made.flip and udd.dataset(out, flip=True).flip


def test_a_split_of_a_split_is_not_mirrored_either_and_photographs_are(tmp_path: Path, capsys: pytest.CaptureFixture):
    run(["digits", "--test", "300", "--out", str(tmp_path / "a.npz")])
    run([str(tmp_path / "a.npz"), "--test", "100", "--out", str(tmp_path / "b.npz")])
    assert not udd.dataset(tmp_path / "b.npz").flip and udd.dataset(tmp_path / "b.npz").like == "digits"
    assert yaml.safe_load(capsys.readouterr().out.split("in params.yaml: ")[-1])["flip"] is False
    source = raw(24)
    np.savez(tmp_path / "photographs.npz", flip=np.array([{}], dtype=object), **as_npz(source))  # type: ignore[arg-type]
    run([str(tmp_path / "photographs.npz"), "--test", "6", "--out", str(tmp_path / "c.npz")])
    assert udd.dataset(tmp_path / "c.npz").flip and "flip" not in capsys.readouterr().out
    with np.load(tmp_path / "c.npz") as file:
        assert sorted(file) == sorted(as_npz(source))  # not a byte more than before


def test_what_params_say_of_a_source_holds_for_its_split_by_whatever_name(tmp_path: Path):
    np.savez(tmp_path / "held.npz", like=np.array("mnist"), **as_npz(raw(24)))  # type: ignore[arg-type]
    for name in ("held", "cifar10"):
        data = udd.dataset(tmp_path / "held.npz", name=name)
        found = configuration(data, "idc", 1, 0, {})[1]
        assert (found["idc"]["distance"], found["distill"]["cutmix_p"]) == ("l1", 0.0)
    assert configuration(data._replace(name="other", like="nowhere"), "idc", 1, 0, {})[1]["idc"]["distance"] == "mse"


def test_a_split_takes_what_says_how_pixels_are_made(tmp_path: Path):
    source = as_npz(raw(24))
    deep = {key: value.astype(np.uint16) * 7 if key.endswith("images") else value for key, value in source.items()}
    np.savez(tmp_path / "deep.npz", **deep)  # type: ignore[arg-type]
    words = [str(tmp_path / "deep.npz"), "--test", "6", "--out", str(tmp_path / "held.npz")]
    with pytest.raises(UserError, match="set the data set's `depth: 16`"):
        run(words)
    run([*words, "--depth", "16", "--no-flip"])
    made = udd.dataset(tmp_path / "held.npz")
    assert not made.flip and made.train_images.max() == 255


def test_bad_usage_writes_nothing(tmp_path: Path):
    with pytest.raises(UserError, match=r"--out: found .*a.txt, expected a name that ends in .npz"):
        run(["digits", "--test", "3", "--out", str(tmp_path / "a.txt")])
    with pytest.raises(UserError, match="no such folder or .npz file, and no data set's name; expected one of mnist"):
        run(["flowers", "--test", "3", "--out", str(tmp_path / "a.npz")])
    with pytest.raises(UserError, match="expected 1 to"):
        run(["digits", "--test", "5000", "--out", str(tmp_path / "a.npz")])
    for words in (["--test", "0"], ["--test", "3", "--seed", "-1"]):
        with pytest.raises(SystemExit, match="2"):
            run(["digits", *words, "--out", str(tmp_path / "a.npz")])
    assert not list(tmp_path.iterdir())


def test_a_source_is_not_written_over(tmp_path: Path):
    run(["digits", "--test", "300", "--out", str(tmp_path / "a.npz")])
    (tmp_path / "b.npz").symlink_to(tmp_path / "a.npz")
    before = (tmp_path / "a.npz").read_bytes()
    for out in ("a.npz", "b.npz"):
        with pytest.raises(UserError, match="is read here, and would be lost"):
            run([str(tmp_path / "a.npz"), "--test", "100", "--out", str(tmp_path / out)])
    assert (tmp_path / "a.npz").read_bytes() == before


def test_a_split_has_the_bytes_that_released_manifests_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of CIFAR-10 four arrays and nothing else: anything more, and every released result would be of other data."""
    photographs = raw(24)._replace(classes=["airplane", "bird", "cat"])
    monkeypatch.setitem(sources.READERS, "cifar10", lambda *_: photographs)
    run(["cifar10", "--test", "6", "--out", str(tmp_path / "b.npz")])
    with np.load(tmp_path / "b.npz") as file:
        assert sorted(file) == ["test_images", "test_labels", "train_images", "train_labels"]


def test_a_split_of_ones_own_images_keeps_their_names_and_says_how_to_draw(tmp_path: Path):
    source = tmp_path / "a.npz"
    arrays = as_npz(raw(24))
    order = np.argsort(arrays["train_labels"], kind="stable")  # as a folder's images lie
    arrays |= {name: arrays[name][order] for name in ("train_images", "train_labels")}
    np.savez(source, **arrays, classes=np.array(["ant", "bee", "cat"]))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="where images are sorted by class, draw them: --seed 0"):
        run([str(source), "--test", "6", "--out", str(tmp_path / "b.npz")])
    run([str(source), "--test", "9", "--seed", "0", "--out", str(tmp_path / "b.npz")])
    assert udd.dataset(tmp_path / "b.npz").classes == ["ant", "bee", "cat"]


def fitted(path: Path) -> bytes:
    """A file's pixels, wider than high: the shorter side at 8, the middle of the other."""
    with Image.open(path) as image:
        left = (image.width - 8) // 2
        return np.asarray(image)[:, left : left + 8].transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize("place", [".", "train"])
def test_a_folder_without_test_images_is_split(place: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    base = fakes.write_tree(tmp_path / "My Pets", splits=(place,), n=6)
    (base / place / "cat" / "notes.txt").touch()
    out = tmp_path / "pets.npz"
    words = [str(base), "--test", "4", "--seed", "0", "--out", str(out)]
    with pytest.raises(UserError, match=r"images from \(10, 8\) to \(10, 8\) pixels .*; set the data set's size"):
        run(words)
    run([*words, "--size", "8", "--no-flip"])
    assert "my-pets: left out: 1 .txt" in capsys.readouterr().err
    made = udd.dataset(out)
    assert made.classes == ["cat", "dog"] and not made.flip and made.train_images.shape == (8, 3, 8, 8)
    images, labels = [*made.train_images, *made.test_images], [*made.train_labels, *made.test_labels]
    both = zip(images, labels, strict=True)
    names = sorted(f"{made.classes[label]} {image.numpy().tobytes()}" for image, label in both)
    expected = [f"{path.parent.name} {fitted(path)}" for path in (base / place).glob("*/*.png")]
    assert names == sorted(expected)


def test_a_folder_with_test_images_is_split_without_them(tmp_path: Path):
    base = fakes.write_tree(tmp_path / "pets", splits=("train", "val"), n=6)
    run([str(base), "--test", "4", "--seed", "0", "--size", "8", "--out", str(tmp_path / "pets.npz")])
    assert len(udd.dataset(tmp_path / "pets.npz").train_images) == 8


def test_a_draw_that_leaves_a_class_out_says_how_to_draw_others(tmp_path: Path):
    base = fakes.write_tree(tmp_path / "pets", splits=(".",), n=6)
    with pytest.raises(UserError, match="needs training and test images; draw others, or more of them: --seed 1"):
        run([str(base), "--test", "1", "--seed", "0", "--size", "8", "--out", str(tmp_path / "pets.npz")])
