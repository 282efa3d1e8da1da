"""Data sets: every kind read from files in its genuine format, manifests, and one line for whatever is wrong with the files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.error
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import SafetensorError

from udd import data
from udd.cli import UserError
from udd.data import official
from udd.data.images import decode, fit_all
from udd.data.packing import READERS, channel_statistics, prepare
from udd.files import write_json
from udd.vision import torchvision


def manifest_of(tmp_path: Path, config: dict, root: Path | None = None) -> Path:
    """Prepare a data set as the command does."""
    path = tmp_path / "manifest.json"
    data.run(["--config", json.dumps(config), "--root", str(root or tmp_path), "--out", str(path)])
    return path


def loaded(tmp_path: Path, config: dict) -> data.Dataset:
    return data.load(manifest_of(tmp_path, config), tmp_path)


@pytest.fixture
def official_fakes(tmp_path, monkeypatch):
    """Tiny official data sets in `tmp_path`, torchvision's checksums being theirs. Downloads fail the test."""
    datasets = torchvision("datasets")
    monkeypatch.setattr(datasets.MNIST, "resources", fakes.write_mnist(tmp_path))
    monkeypatch.setattr(datasets.FashionMNIST, "resources", fakes.write_mnist(tmp_path, "FashionMNIST", 30, 10))
    monkeypatch.setattr(datasets.SVHN, "split_list", fakes.write_svhn(tmp_path))
    for cls, classes, train, test in ((datasets.CIFAR10, 10, 50, 20), (datasets.CIFAR100, 100, 100, 100)):
        for name, value in fakes.write_cifar(tmp_path, classes, train, test).items():
            monkeypatch.setattr(cls, name, value)
    monkeypatch.setattr(official, "download", lambda *_: pytest.fail("a file that is there was fetched again"))
    return tmp_path


# Kinds


@pytest.mark.parametrize("kind, name", [("svhn", "SVHN"), ("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_official_colour_sets_are_what_torchvision_reads(official_fakes, kind, name):
    found = loaded(official_fakes, {"name": kind, "kind": kind})
    for part, images, labels in (("train", *found[4:6]), ("test", *found[6:8])):
        choice = {"split": part} if kind == "svhn" else {"train": part == "train"}
        theirs = getattr(torchvision("datasets"), name)(official_fakes, **choice)
        pixels = theirs.data if kind == "svhn" else theirs.data.transpose(0, 3, 1, 2)
        assert np.array_equal(images.numpy(), pixels)
        assert labels.tolist() == list(theirs.labels if kind == "svhn" else theirs.targets)


@pytest.mark.parametrize("kind, name, train, test", [("mnist", "MNIST", 40, 20), ("fashionmnist", "FashionMNIST", 30, 10)])
def test_idx_sets(official_fakes, kind, name, train, test):
    found = loaded(official_fakes, {"name": kind, "kind": kind})
    assert np.array_equal(found.train_images.numpy()[:, 0], fakes.noise(train, 28, 28, seed=train))
    assert found.test_labels.tolist() == fakes.labels(test, 10).tolist()
    assert found.classes[0] == ("0" if kind == "mnist" else "T-shirt/top")
    assert found.train_images.dtype == torch.uint8 and found.train_labels.dtype == torch.int64


def test_cifar_gives_one_manifest_from_its_archive_and_from_the_unpacked_folder(official_fakes):
    config = {"name": "cifar10", "kind": "cifar10"}
    from_archive = manifest_of(official_fakes, config).read_bytes()
    (official_fakes / "cifar-10-python.tar.gz").unlink()
    assert manifest_of(official_fakes, config).read_bytes() == from_archive


def test_digits():
    from sklearn.datasets import load_digits

    raw = READERS["digits"]({"name": "digits", "kind": "digits", "size": 8}, Path("nowhere"), 1)
    theirs: Any = load_digits()
    ours = np.concatenate([raw.train_images, raw.test_images])[:, 0]
    expected = np.rint(theirs.images * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, ours)) == sorted(map(bytes, expected))
    share = np.bincount(raw.test_labels) / np.bincount(theirs.target)
    assert np.allclose(share, 0.2, atol=0.01)


def test_digits_are_sixteen_pixels_wide_and_need_no_root(tmp_path):
    found = loaded(tmp_path, {"name": "digits", "kind": "digits"})
    assert found.train_images.shape == (1442, 1, 16, 16) and found.test_images.shape == (355, 1, 16, 16)


@pytest.mark.parametrize("shape, channels", [((8, 8), 1), ((8, 8, 1), 1), ((8, 8, 3), 3)])
def test_npz(tmp_path, shape, channels):
    fakes.write_npz(tmp_path / "mine.npz", shape=shape)
    found = loaded(tmp_path, {"name": "mine", "kind": "npz", "classes": ["a", "b", "c"]})
    expected = fakes.noise(12, *shape, seed=12).reshape(12, 8, 8, channels).transpose(0, 3, 1, 2)
    assert np.array_equal(found.train_images.numpy(), expected)
    assert found.train_labels.tolist() == [0, 1, 2] * 4 and found.classes == ["a", "b", "c"]


def test_npz_labels_without_a_second_axis_and_another_size(tmp_path):
    path = tmp_path / "sub" / "x.npz"
    fakes.write_npz(path, shape=(9, 12, 3), train_labels=fakes.labels(12, 3), test_labels=fakes.labels(6, 3))
    found = loaded(tmp_path, {"name": "mine", "kind": "npz", "path": "sub/x.npz", "size": 8})
    assert found.train_images.shape == (12, 3, 8, 8) and found.classes == ["0", "1", "2"]


@pytest.mark.parametrize("suffix", [".png", ".JPG", ".JPEG"])
def test_folder(tmp_path, suffix):
    fakes.write_tree(tmp_path / "pets", suffix=suffix)
    (tmp_path / "pets" / "train" / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "pets" / "train" / ".hidden").mkdir()
    found = loaded(tmp_path, {"name": "pets", "kind": "folder", "size": 6})
    assert found.classes == ["cat", "dog"] and found.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.train_images.shape == (6, 3, 6, 6)


def test_folder_without_size_keeps_the_pixels(tmp_path):
    fakes.write_tree(tmp_path / "pets", size=(8, 8))
    found = loaded(tmp_path, {"name": "pets", "kind": "folder"})
    assert np.array_equal(found.test_images[2].numpy(), np.asarray(fakes.image("RGB", (8, 8), 2)).transpose(2, 0, 1))


@pytest.mark.parametrize("odd, channels", [("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)])
def test_folder_is_grey_only_if_every_image_is(tmp_path, odd, channels):
    base = fakes.write_tree(tmp_path / "pets", mode="L", size=(8, 8))
    fakes.image(odd, (8, 8)).save(base / "test" / "dog" / "2.png")
    assert loaded(tmp_path, {"name": "pets", "kind": "folder", "size": 8}).train_images.shape[1] == channels


def test_folder_classes_choose_and_order(tmp_path):
    fakes.write_tree(tmp_path / "pets", classes=("ant", "cat", "dog"), size=(8, 8))
    found = loaded(tmp_path, {"name": "pets", "kind": "folder", "size": 8, "classes": ["dog", "ant"]})
    assert found.classes == ["dog", "ant"] and len(found.train_images) == 6


def test_imagenet_reads_the_listed_classes_in_colour(tmp_path):
    fakes.write_tree(tmp_path / "imagenet", ("n01", "n02", "n03"), ("train", "val"), mode="L", suffix=".JPEG")
    config = {"name": "imagenet10", "kind": "imagenet10", "path": "imagenet", "size": 12, "classes": ["n03", "n01"]}
    found = loaded(tmp_path, config)
    assert found.train_images.shape == (6, 3, 12, 12) and found.classes == ["n03", "n01"]


def jpeg(exif: bytes) -> bytes:
    """A JPEG, 16 wide and 8 high, that carries `exif`."""
    content = io.BytesIO()
    fakes.image(size=(16, 8)).save(content, "JPEG", exif=exif)
    return content.getvalue()


def test_a_photograph_is_turned_upright_and_a_broken_exif_is_no_matter():
    exif = fakes.Image.Exif()
    exif[0x0112] = 6  # Orientation: turned by 90 degrees
    assert decode(Path("x"), jpeg(exif.tobytes()), False, None).shape == (3, 16, 8)
    assert decode(Path("x"), jpeg(b"Exif\0\0broken"), False, None).shape == (3, 8, 16)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24))
def test_fit_is_torchvisions_resize_and_centre_crop(width, height, size):
    transforms = torchvision("transforms")
    image = fakes.image("L", (width, height))
    theirs = transforms.CenterCrop(size)(transforms.Resize(size)(image))
    assert np.array_equal(fit_all(np.asarray(image)[None, None], size)[0, 0], np.asarray(theirs))


# Statistics and manifests


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=4, max_dims=4, max_side=5)), st.integers(1, 3))
def test_statistics_against_float64(images, chunk):
    mean, std = channel_statistics(images, chunk)
    scaled = images.astype(np.float64) / 255
    assert np.allclose(mean, scaled.mean((0, 2, 3)), rtol=1e-12, atol=1e-15)
    assert np.allclose(std, scaled.std((0, 2, 3)), rtol=1e-9, atol=1e-9)


def test_manifest(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    config = {"name": "mine", "kind": "npz"}
    manifest = json.loads(manifest_of(tmp_path, config).read_text())
    keys = "format dataset kind config classes counts shape mean std files packed"
    assert set(manifest) == set(keys.split()) and manifest["config"] == config
    assert manifest["counts"] == {"train": [4, 4, 4], "test": [2, 2, 2]} and manifest["shape"] == [3, 8, 8]
    assert manifest["files"][0].keys() == {"name", "bytes", "sha256"} and manifest["files"][0]["name"] == "mine.npz"
    assert (tmp_path / manifest["packed"]["file"]).stat().st_size == manifest["packed"]["bytes"]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_same_data_gives_the_same_manifest_anywhere(tmp_path, threads):
    found = []
    for place in ("here", "there"):
        fakes.write_tree(tmp_path / place / "pets", n=8)
        out = tmp_path / f"{place}.json"
        config = json.dumps({"name": "pets", "kind": "folder", "size": 6})
        data.run(["--config", config, "--root", str(tmp_path / place), "--out", str(out), "--threads", threads])
        found.append(out.read_bytes())
        os.utime(tmp_path / "here" / "pets" / "train" / "cat" / "0.png", (1, 1))
    assert found[0] == found[1] and str(tmp_path).encode() not in found[0]


def test_load_rebuilds_an_absent_packed_file_and_accepts_no_other(tmp_path):
    base = fakes.write_tree(tmp_path / "pets")
    manifest = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6})
    (packed,) = (tmp_path / "packed").glob("*.safetensors")
    before = data.load(manifest, tmp_path)
    packed.unlink()
    assert torch.equal(data.load(manifest, tmp_path).train_images, before.train_images)

    whole = packed.read_bytes()
    packed.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f"{packed}: .* bytes"):
        data.load(manifest, tmp_path)
    packed.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{packed}: .*SHA-256"):
        data.load(manifest, tmp_path)

    packed.unlink()
    fakes.image("RGB", (10, 8), seed=99).save(base / "train" / "dog" / "1.png")
    for _ in range(2):
        with pytest.raises(UserError, match="train/dog/1.png is not as in the data"):
            data.load(manifest, tmp_path)


def test_load_refuses_pixels_that_another_decoder_made(tmp_path, monkeypatch):
    fakes.write_tree(tmp_path / "pets")
    manifest = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6})
    next((tmp_path / "packed").iterdir()).unlink()
    monkeypatch.setattr("udd.data.images.fit", lambda image, size: image.resize((size, size), 0))
    with pytest.raises(UserError, match="manifest.json's files decode to other pixels here"):
        data.load(manifest, tmp_path)


def test_load_refuses_what_is_not_a_manifest(tmp_path):
    write_json(tmp_path / "other.json", {"format": 0})
    with pytest.raises(UserError, match="other.json: not a data manifest"):
        data.load(tmp_path / "other.json", tmp_path)


def test_one_root_serves_two_declarations_of_a_name(tmp_path):
    fakes.write_tree(tmp_path / "pets")
    six = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6}).rename(tmp_path / "six.json")
    four = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 4})
    assert [data.load(manifest, tmp_path).train_images.shape[-1] for manifest in (six, four)] == [6, 4]


def test_other_users_of_a_root_may_read_the_packed_file(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    manifest = manifest_of(tmp_path, {"name": "mine", "kind": "npz"})
    assert next((tmp_path / "packed").iterdir()).stat().st_mode == manifest.stat().st_mode


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("I/O error: No space left on device")

    fakes.write_npz(tmp_path / "mine.npz")
    monkeypatch.setattr("udd.data.packing.save_file", full)
    with pytest.raises(UserError, match="safetensors: could not be written .*No space left"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
    assert not list((tmp_path / "packed").iterdir())


def test_to_moves_every_tensor(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    moved = loaded(tmp_path, {"name": "mine", "kind": "npz"}).to("meta")
    assert [tensor.device.type for tensor in moved[4:]] == ["meta"] * 4


# Downloads


def answers(monkeypatch, *replies: bytes | Exception) -> list[str]:
    """Let urlopen give `replies` one after the other; returns the list of URLs it is asked for."""
    asked, left = [], list(replies)

    def urlopen(url: str, timeout: float):
        asked.append(url)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return io.BytesIO(reply)

    monkeypatch.setattr(official.urllib.request, "urlopen", urlopen)
    return asked


OFFLINE = urllib.error.URLError("no network")


def test_a_download_is_tried_again_with_longer_pauses_and_from_each_mirror(tmp_path, monkeypatch):
    asked = answers(monkeypatch, OFFLINE, b"trunc", OFFLINE, b"whole")
    pauses: list[float] = []
    path = tmp_path / "deep" / "file"
    assert official.obtain(path, ["a", "b"], official.digest(b"whole"), pauses.append) == b"whole"
    assert asked == ["a", "b", "a", "b"] and pauses == [0, 1]
    assert path.read_bytes() == b"whole" and list(path.parent.iterdir()) == [path]


def test_a_failed_download_leaves_nothing(tmp_path, monkeypatch):
    asked = answers(monkeypatch, *[OFFLINE] * 3, b"trunc")
    pauses: list[float] = []
    with pytest.raises(UserError, match="file: not there, and the download failed .*5 bytes"):
        official.obtain(tmp_path / "file", ["a"], official.digest(b"whole"), pauses.append)
    assert len(asked) == 4 and pauses == sorted(pauses) and not list(tmp_path.iterdir())


def test_missing_official_files_without_a_network(tmp_path, monkeypatch):
    answers(monkeypatch, *[OFFLINE] * 20)
    monkeypatch.setattr(official.time, "sleep", lambda _: None)
    monkeypatch.setattr(official, "WAITS", ())
    with pytest.raises(UserError, match="cifar-10-python.tar.gz: not there, and the download failed .*no network"):
        prepare({"name": "cifar10", "kind": "cifar10"}, tmp_path)


# Bad input: one line that names the file


@pytest.mark.parametrize(
    "kind, file",
    [
        ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte.gz"),
        ("fashionmnist", "FashionMNIST/raw/train-images-idx3-ubyte.gz"),
        ("svhn", "test_32x32.mat"),
        ("cifar10", "cifar-10-python.tar.gz"),
        ("cifar100", "cifar-100-python.tar.gz"),
    ],
)
@pytest.mark.parametrize("harm", ["truncated", "corrupt"])
def test_harmed_official_files_are_named_and_not_fetched_again(official_fakes, kind, file, harm):
    path = official_fakes / file
    whole = path.read_bytes()
    harmed = whole[: len(whole) // 2] if harm == "truncated" else whole[:-9] + b"x" + whole[-8:]
    path.write_bytes(harmed)
    with pytest.raises(UserError, match=f"{file}: corrupt or truncated"):
        prepare({"name": kind, "kind": kind}, official_fakes)
    assert path.read_bytes() == harmed and not (official_fakes / "packed").exists()


def test_a_harmed_unpacked_batch_is_named(official_fakes):
    (official_fakes / "cifar-10-python.tar.gz").unlink()
    (official_fakes / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"x")
    with pytest.raises(UserError, match="data_batch_3: corrupt or truncated"):
        prepare({"name": "cifar10", "kind": "cifar10"}, official_fakes)


@pytest.mark.parametrize(
    "replaced, message",
    [
        ({"test_labels": None}, "no test_labels; expected train_images"),
        ({"train_images": fakes.noise(12, 8, 8, 3) / 255.0}, "train_images is float64; expected uint8"),
        ({"train_images": fakes.noise(12, 3, 8, 8)}, r"train_images has shape \(12, 3, 8, 8\)"),
        ({"train_images": fakes.noise(12, 64)}, r"train_images has shape \(12, 64\)"),
        ({"train_images": fakes.noise(12, 8, 9, 3), "test_images": fakes.noise(6, 8, 9, 3)}, "set the data set's size"),
        ({"test_images": fakes.noise(6, 8, 8, 1)}, "not square or not alike"),
        ({"train_labels": fakes.labels(12, 3) - 1}, "train labels run from -1 to 1; expected 0 to 2"),
        ({"train_labels": fakes.labels(12, 3) * 1.0}, "train_labels is float64; expected integers"),
        ({"train_labels": np.zeros((12, 3), int)}, r"train_labels has shape \(12, 3\)"),
        ({"train_labels": fakes.labels(11, 3)}, "12 images and labels of shape"),
        ({"test_labels": np.array([0, 1, 3] * 2)}, "train has no image of class 3"),
        ({"test_labels": np.array([0, 1] * 3)}, "test has no image of class 2"),
        ({"test_labels": np.array([{}] * 6, dtype=object)}, "corrupt, truncated or not an npz"),
        ({"test_images": np.zeros((0, 8, 8, 3), np.uint8), "test_labels": np.zeros(0, int)}, "expected"),
        ({"train_images": np.zeros((12, 8, 8, 3), np.uint8)}, "cannot be normalised"),
    ],
)
def test_bad_npz(tmp_path, replaced, message):
    path = fakes.write_npz(tmp_path / "mine.npz", **replaced)
    with pytest.raises(UserError, match=message) as error:
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_npz_with_more_labels_than_names(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    with pytest.raises(UserError, match="mine.npz: train labels run from 0 to 2; expected 0 to 1"):
        prepare({"name": "mine", "kind": "npz", "classes": ["a", "b"]}, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x93NUMPY", b"PK\x03\x04" + b"x" * 30])
def test_npz_that_is_none(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(UserError, match="mine.npz: corrupt, truncated or not an npz"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)


def harmed(whole: bytes, position: int, truncate: bool) -> bytes:
    """`whole` cut off at a position, or with one byte inverted there."""
    position %= len(whole)
    return whole[:position] + (b"" if truncate else bytes([whole[position] ^ 255]) + whole[position + 1 :])


@given(st.integers(0, 2**31), st.booleans())
def test_harmed_npz_is_named_or_read_whole(tmp_path_factory, position, truncate):
    path = fakes.write_npz(tmp_path_factory.mktemp("npz") / "mine.npz")
    path.write_bytes(harmed(path.read_bytes(), position, truncate))
    try:
        prepare({"name": "mine", "kind": "npz"}, path.parent)
    except UserError as error:
        assert "mine.npz" in str(error)


@given(st.sampled_from([".png", ".jpg"]), st.integers(0, 2**31), st.booleans())
def test_harmed_image_is_named_or_read_whole(suffix, position, truncate):
    content = io.BytesIO()
    fakes.image(size=(16, 12)).save(content, "PNG" if suffix == ".png" else "JPEG")
    try:
        assert decode(Path("pets/1" + suffix), harmed(content.getvalue(), position, truncate), False, 6).shape == (3, 6, 6)
    except UserError as error:
        assert str(error).startswith("pets/1" + suffix)


def harm_tree(base: Path, harm: str) -> None:
    """Harm a tree of images in one way."""
    image = base / "train" / "dog" / "1.png"
    if harm == "truncated":
        image.write_bytes(image.read_bytes()[:-80])
    elif harm == "text":
        image.write_text("not an image")
    elif harm == "empty":
        image.write_bytes(b"")
    elif harm == "deep":
        fakes.Image.fromarray(np.zeros((8, 8), np.uint16)).save(image)
    elif harm == "class absent from test":
        (base / "test" / "dog").rename(base / "gone")
    elif harm == "class absent from train":
        (base / "train" / "dog").rename(base / "gone")
    elif harm == "class without images":
        for path in (base / "test" / "dog").iterdir():
            path.unlink()
    elif harm == "no test":
        (base / "test").rename(base / "gone")


@pytest.mark.parametrize(
    "harm, message",
    [
        ("truncated", "train/dog/1.png: the image does not decode"),
        ("text", "train/dog/1.png: not an image"),
        ("empty", "train/dog/1.png: not an image"),
        ("deep", "train/dog/1.png: more than 8 bits"),
        ("class absent from test", "test/dog: no such folder"),
        ("class absent from train", "train/dog: no such folder"),
        ("class without images", "test/dog: no .png, .jpg or .jpeg file"),
        ("no test", "test: no such folder"),
    ],
)
def test_bad_folder(tmp_path, harm, message):
    harm_tree(fakes.write_tree(tmp_path / "pets"), harm)
    with pytest.raises(UserError, match=message) as error:
        prepare({"name": "pets", "kind": "folder", "size": 6}, tmp_path)
    assert str(error.value).startswith(str(tmp_path)) and "\n" not in str(error.value)
    assert not (tmp_path / "packed").exists()


def test_images_of_several_sizes_need_a_size(tmp_path):
    fakes.write_tree(tmp_path / "pets")
    with pytest.raises(UserError, match="pets: images from .* set the data set's size"):
        prepare({"name": "pets", "kind": "folder"}, tmp_path)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"name": "x", "kind": "imagenet"}, "x: unknown kind 'imagenet'; expected one of mnist"),
        ({"kind": "digits"}, "no name"),
        ([], "no name"),
        ({"name": "x", "kind": "npz", "path": "/x.npz"}, "absolute"),
        ({"name": "x", "kind": "npz"}, "x.npz: no such file"),
        ({"name": "x", "kind": "imagenet10"}, "x: .* needs classes"),
        ({"name": "x", "kind": "imagenet10", "classes": ["n01"]}, "train/n01: no such folder"),
        ({"name": "x", "kind": "digits", "classes": ["a"]}, "x: classes has 1 names, the data 10 classes"),
    ],
)
def test_bad_configuration(tmp_path, config, message):
    with pytest.raises(UserError, match=message):
        prepare(config, tmp_path)


# The command


def test_the_command_prints_one_line_for_bad_input(tmp_path):
    (tmp_path / "mine.npz").write_bytes(b"x")
    options = ["--config", '{"name":"mine","kind":"npz"}', "--root", str(tmp_path), "--out", str(tmp_path / "m.json")]
    result = subprocess.run([sys.executable, "-m", "udd.data", *options], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stderr.startswith(f"error: {tmp_path}/mine.npz: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "m.json").exists()


def test_the_command_by_hand_takes_root_and_place_from_params(tmp_path, monkeypatch, capsys):
    params = Path(__file__).parent.parent / "params.yaml"
    over = tmp_path / "over.yaml"
    over.write_text(f"data_root: {tmp_path}/root\nresults: {tmp_path}/results\n")
    monkeypatch.delenv("UDD_DATA", raising=False)
    data.run(["--params", str(params), str(over), "--dataset", "digits"])
    assert (tmp_path / "results" / "data" / "digits.json").exists() and len(list((tmp_path / "root" / "packed").iterdir())) == 1
    monkeypatch.setenv("UDD_DATA", str(tmp_path / "elsewhere"))
    data.run(["--params", str(params), str(over), "--dataset", "digits"])
    assert len(list((tmp_path / "elsewhere" / "packed").iterdir())) == 1
    assert "1442 training and 355 test images of 1 x 16 x 16" in capsys.readouterr().out
    with pytest.raises(UserError, match="--dataset nothing: not in params.yaml"):
        data.run(["--params", str(params), str(over), "--dataset", "nothing"])
