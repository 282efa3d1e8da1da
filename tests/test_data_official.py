"""Official data sets: read as torchvision reads them, downloaded with patience, and refused by name when harmed."""

from __future__ import annotations

import io
import urllib.error

import fakes
import numpy as np
import pytest
import torch
from prepared import loaded, manifest_of

from udd.data import official
from udd.data.packing import prepare
from udd.data.vision import torchvision
from udd.errors import UserError


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


@pytest.mark.parametrize("kind, name", [("svhn", "SVHN"), ("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_official_colour_sets_are_what_torchvision_reads(official_fakes, kind, name):
    found = loaded(official_fakes, {"name": kind, "kind": kind})
    for part, images, labels in (("train", *found[4:6]), ("test", *found[6:8])):
        choice = {"split": part} if kind == "svhn" else {"train": part == "train"}
        theirs = getattr(torchvision("datasets"), name)(official_fakes, **choice)
        pixels = theirs.data if kind == "svhn" else theirs.data.transpose(0, 3, 1, 2)
        assert np.array_equal(images.numpy(), pixels)
        assert labels.tolist() == list(theirs.labels if kind == "svhn" else theirs.targets)


@pytest.mark.parametrize("kind, train, test", [("mnist", 40, 20), ("fashionmnist", 30, 10)])
def test_idx_sets(official_fakes, kind, train, test):
    found = loaded(official_fakes, {"name": kind, "kind": kind})
    parts = ((train, found.train_images, found.train_labels), (test, found.test_images, found.test_labels))
    for count, images, labels in parts:
        assert np.array_equal(images.numpy()[:, 0], fakes.noise(count, 28, 28, seed=count))
        assert labels.tolist() == fakes.labels(count, 10).tolist()
    assert found.classes[0] == ("0" if kind == "mnist" else "T-shirt/top")
    assert found.train_images.dtype == torch.uint8 and found.train_labels.dtype == torch.int64


def test_cifar_gives_one_manifest_from_its_archive_and_from_the_unpacked_folder(official_fakes):
    config = {"name": "cifar10", "kind": "cifar10"}
    from_archive = manifest_of(official_fakes, config).read_bytes()
    (official_fakes / "cifar-10-python.tar.gz").unlink()
    assert manifest_of(official_fakes, config).read_bytes() == from_archive


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


@pytest.mark.parametrize("left", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.orig"])
def test_unpacked_mnist_alone_is_no_mnist(tmp_path, monkeypatch, left):
    """Only the packed files have published checksums; that is said where the download fails."""
    answers(monkeypatch, *[OFFLINE] * 20)
    monkeypatch.setattr(official, "WAITS", ())
    fakes.write(tmp_path / "MNIST/raw" / left, b"x")
    said = "train-images-idx3-ubyte beside it cannot stand in, only train-images-idx3-ubyte.gz has a published checksum"
    with pytest.raises(UserError, match="train-images-idx3-ubyte.gz: not there, and the download failed") as error:
        prepare({"name": "mnist", "kind": "mnist"}, tmp_path)
    assert (said in str(error.value)) == (left == "train-images-idx3-ubyte")
