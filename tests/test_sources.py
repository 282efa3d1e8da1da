"""Where `udd.dataset` looks for what it is given: links, `.`, names that no data set may have, arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import torch
from prepared import manifest_of

import udd
from udd import compare, importing, interface, judge, source_request, sources, splitting
from udd.errors import UserError
from udd.sources import legal


def pictures(folder: Path, classes: list[str]) -> Path:
    """A folder of two images a class and part."""
    for part in ("train", "test"):
        for number, name in enumerate(classes):
            (folder / part / name).mkdir(parents=True)
            for each in range(2):
                image = fakes.Image.fromarray(fakes.noise(1, 8, 8, 3, seed=10 * number + each)[0])
                image.save(folder / part / name / f"{each}.png")
    return folder


def arrays(path: Path, **changes: Any) -> Path:
    """An npz of two classes."""
    made = {
        f"{part}_{what}": value
        for part in ("train", "test")
        for what, value in (("images", fakes.noise(4, 8, 8)), ("labels", np.arange(4) % 2))
    }
    np.savez(path, **made | changes)  # type: ignore[arg-type]
    return path


def test_a_link_is_what_it_is_called_and_leads_where_it_leads(tmp_path: Path):
    """Not to what lies beside its target under its own name."""
    pictures(tmp_path / "store" / "data", ["ant", "bee"])
    pictures(tmp_path / "store" / "pets", ["cat", "dog"])
    (tmp_path / "pets").symlink_to(tmp_path / "store" / "data")
    found = udd.dataset(tmp_path / "pets")
    assert found.name == "pets" and found.classes == ["ant", "bee"]
    arrays(tmp_path / "store" / "v3.npz")
    (tmp_path / "blood.npz").symlink_to(tmp_path / "store" / "v3.npz")
    assert udd.dataset(tmp_path / "blood.npz").name == "blood"


@pytest.mark.parametrize(
    ("here", "source"), [("flowers", "."), ("flowers/train", ".."), ("flowers", "./"), (".", "flowers/../flowers")]
)
def test_the_folder_one_is_in_is_called_by_its_own_name(
    here: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pictures(tmp_path / "flowers", ["ant", "bee"])
    pictures(tmp_path / "other", ["cat", "dog"])
    os.rename(tmp_path / "other" / "train", tmp_path / "train")  # what lies above is another's
    os.rename(tmp_path / "other" / "test", tmp_path / "test")
    monkeypatch.chdir(tmp_path / here)
    found = udd.dataset(source)
    assert found.name == "flowers" and found.classes == ["ant", "bee"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("flowers", "flowers"),
        ("Big Pets", "big-pets"),
        ("花", "images"),
        ("_a.b", "a-b"),
        ("3D_set", "3d_set"),
        ("Blüten", "bl-ten"),
    ],
)
def test_a_folder_may_be_called_as_one_likes(stem: str, name: str, tmp_path: Path):
    assert legal(stem) == name
    pictures(tmp_path / stem, ["ant", "bee"])
    assert udd.dataset(tmp_path / stem).name == name and udd.dataset(tmp_path / stem, size=None).name == name
    made = udd.distill(udd.dataset(tmp_path / stem), "random", device="cpu", out=tmp_path / "set.safetensors")
    assert udd.load(tmp_path / "set.safetensors").metadata["dataset"] == made.metadata["dataset"]


def test_a_constant_channel_is_told_before_any_work(tmp_path: Path):
    images = np.repeat(fakes.noise(4, 8, 8)[..., None], 3, axis=3)
    images[..., 2] = 0
    path = arrays(tmp_path / "two.npz", train_images=images, test_images=images)
    with pytest.raises(UserError, match=r"two.npz: a channel of the training images is constant"):
        udd.dataset(path)


@pytest.mark.parametrize(
    ("labels", "keys", "said"),
    [
        (np.array(["a", "b", "a", "b"]), {}, "training labels are <U1"),
        (np.array([0.2, 0.7, 1.4, 1.6]), {}, r"training labels are float64 \[4\]; expected whole numbers"),
        (np.zeros((4, 2), int), {}, r"training labels are int64 \[4, 2\]"),
        (np.arange(4) % 2, {"size": 8}, "arrays are taken as they are; leave out size"),
        (np.arange(4) % 2, {"size": 4}, "size: found 4, expected 8 to 512 pixels"),
        (
            np.array([0, 1, 0, -1]),
            {},
            "training labels run from -1 to 1, of 4 training images; number the classes 0 to",
        ),
        (np.array([0, 1, 0, 4]), {}, "training labels run from 0 to 4, of 4 training images"),
        (np.array([0, 1, 0, 3_000_000_000]), {}, "training labels run from 0 to 3000000000, of 4"),
        (np.array([0, 1, 0, 2**64 - 1], np.uint64), {"classes": ["a", "b"]}, f"run from 0 to {2**64 - 1}, of 4"),
        (np.array(1), {}, r"training images are uint8 \[4, 8, 8\] with labels \[\]"),
    ],
)
def test_arrays_of_another_kind_are_refused(labels: np.ndarray, keys: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said):
        udd.dataset([fakes.noise(4, 8, 8), labels, fakes.noise(4, 8, 8), np.arange(4) % 2], **keys)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((4, 8, 9, 3), r"training images are \[8, 9\] and test images \[8, 8\] .*; resize or crop the arrays"),
        ((4, 9, 9), r"training images are \[9, 9\] and test images \[8, 8\]"),
        ((4, 8, 8, 4), r"training images are \[4, 8, 8, 4\], expected 1 or 3 channels, first or last"),
    ],
)
def test_arrays_that_are_no_squares_or_have_opacity_are_refused(shape: tuple[int, ...], said: str):
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with pytest.raises(UserError, match=said):
        udd.dataset([images, np.arange(4) % 2, fakes.noise(4, 8, 8, *shape[3:]), np.arange(4) % 2])


def test_a_class_without_a_training_array_is_named():
    images = fakes.noise(4, 8, 8)
    with pytest.raises(UserError, match="dataset: train has no image of class 2; every class needs training and test"):
        udd.dataset([images, np.arange(4) % 2, images, np.array([0, 1, 2, 1])])


def test_tensors_with_gradients_are_told_their_type_and_a_data_set_is_a_line():
    images, labels = torch.from_numpy(fakes.noise(4, 8, 8)), torch.arange(4) % 2
    with pytest.raises(UserError, match="dataset: training images are float32"):
        udd.dataset([images.float().requires_grad_(), labels, images, labels])
    said = "Dataset(arrays: 2 classes, 4 training and 4 test images of [1, 8, 8])"
    assert repr(udd.dataset([images, labels, images, labels])) == said


def test_what_a_folder_holds_beside_images_is_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    pictures(tmp_path / "pets", ["ant", "bee"])
    udd.dataset(tmp_path / "pets")
    assert not capsys.readouterr().err
    for name in ("a.heic", "b.heic", ".c.png"):
        (tmp_path / "pets" / "train" / "ant" / name).write_text("")
    udd.dataset(tmp_path / "pets")
    assert capsys.readouterr().err == "pets: left out: 2 .heic, 1 hidden\n"


def test_labels_that_are_one_number_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"train_labels has shape \(\); expected \[n\]"):
        udd.dataset(arrays(tmp_path / "a.npz", train_labels=np.array(1)))


def test_a_test_label_that_no_training_image_could_have_is_refused():
    images, labels = fakes.noise(4, 8, 8), np.arange(4) % 2
    with pytest.raises(UserError, match="dataset: test labels run from 0 to 1000000000, of 4 training images"):
        udd.dataset([images, labels, images, np.array([0, 1, 0, 10**9])])


@pytest.mark.parametrize(
    ("source", "keys", "said"),
    [
        (None, {}, "dataset: found None, expected a path, a name, or four arrays"),
        (3, {}, "dataset: found a value of type int, expected a path"),
        ([1, 2], {}, "dataset: found 2 arrays, expected a path"),
        ("digits", {"size": "16"}, "size: found '16', expected 8 to 512 pixels, a whole number"),
        ("digits", {"size": 16.5}, "size: found 16.5, expected 8 to 512"),
        ("digits", {"size": True}, "size: found True"),
        ("pets", {"classes": [1, 2]}, r"classes: found \[1, 2\], expected a list of names as text"),
        ("pets", {"classes": "ab"}, "classes: found 'ab'"),
        ("pets", {"classes": np.array([1, 2])}, r"classes: found \[1, 2\]"),
    ],
)
def test_what_is_no_source_size_or_name_is_told_in_one_line(
    source: Any, keys: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pictures(tmp_path / "pets", ["ant", "bee"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        udd.dataset(source, **keys)
    assert "\n" not in str(error.value)


def test_names_and_sizes_may_be_numpys(tmp_path: Path):
    pictures(tmp_path / "pets", ["ant", "bee"])
    found = udd.dataset(tmp_path / "pets", classes=np.array(["bee", "ant"]), size=np.int64(16))
    assert found.classes == ["bee", "ant"] and {type(each) for each in found.classes} == {str}
    assert found.train_images.shape[1:] == (3, 16, 16)
    images, labels = fakes.noise(4, 8, 8), np.arange(4) % 2
    assert udd.dataset([images, labels, images, labels], classes=np.array(["a", "b"])).classes == ["a", "b"]


def test_a_data_set_by_another_name_is_still_not_mirrored(tmp_path: Path):
    """Nor one by its manifest, or by the manifest of a split: params.yaml says so of digits."""
    splitting.run(["digits", "--test", "300", "--out", str(tmp_path / "held.npz")])
    for config in ({"name": "held", "kind": "npz"}, {"name": "mine", "kind": "digits"}):
        manifest_of(tmp_path, config).rename(tmp_path / f"{config['name']}.json")
    found = [
        udd.dataset("digits"),
        udd.dataset("digits", name="mine"),
        udd.dataset(tmp_path / "mine.json", root=tmp_path),
        udd.dataset(tmp_path / "held.json", root=tmp_path),
    ]
    assert [(data.flip, data.like) for data in found] == [(False, ""), *[(False, "digits")] * 3]
    (tmp_path / "held.npz").write_bytes(b"PK gone")
    found.append(udd.dataset(tmp_path / "held.json", root=tmp_path))  # from its packed file and its manifest's notes
    (tmp_path / "digits").mkdir()
    with pytest.MonkeyPatch.context() as patched:  # a folder that happens to lie where one works
        patched.chdir(tmp_path)
        found.append(udd.dataset(tmp_path / "mine.json", root=tmp_path))
    assert [(data.flip, data.like) for data in found] == [(False, ""), *[(False, "digits")] * 5]
    for data in found:
        assert "flip" not in str(interface.configuration(data, "dm", 1, 0, {})[1]["distill"])
    assert "flip" in str(interface.configuration(udd.dataset("digits", flip=True), "dm", 1, 0, {})[1]["distill"])


def test_a_manifest_is_taken_as_it_is(tmp_path: Path):
    manifest_of(tmp_path, {"name": "mine", "kind": "digits"})
    for keys in ({"size": 32}, {"name": "x"}, {"classes": list("abcdefghij")}):
        with pytest.raises(UserError, match=f"manifests are taken as they are; leave out {next(iter(keys))}"):
            udd.dataset(tmp_path / "manifest.json", root=tmp_path, **keys)
    assert not udd.dataset(tmp_path / "manifest.json", root=tmp_path, flip=False).flip


def test_arrays_of_ones_own_that_are_called_as_notes_are_none(tmp_path: Path):
    arrays(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        np.savez(tmp_path / "b.npz", like=np.arange(5), flip=np.array([False, True]), **file)
        np.savez(tmp_path / "c.npz", like=np.array({}, dtype=object), flip=np.array("no"), **file)
    for name in ("b.npz", "c.npz"):
        data = udd.dataset(tmp_path / name)
        assert data.flip and not data.like


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        ("digits", {"depth": 16}, "depth is of no use to kind digits"),
        ("digits", {"background": "black"}, "background is of no use to kind digits"),
        ("a.npz", {"depth": 8}, "depth: found 8, expected 16"),
        ("a.npz", {"background": "black"}, "background is of no use to kind npz"),
        ("a.npz", {"flip": "false"}, "flip: found 'false', expected True or False"),
        ("a.npz", {"name": "My Set"}, "name: found 'My Set', expected small letters, digits, _ and -, such as my-set"),
    ],
)
def test_keys_that_no_reader_heeds_are_refused_from_python_too(kind: str, keys: dict, said: str, tmp_path: Path):
    arrays(tmp_path / "a.npz")
    with pytest.raises(UserError, match=said):
        udd.dataset(tmp_path / kind if kind.endswith("npz") else kind, **keys)
    assert udd.dataset(tmp_path / "a.npz", depth=None).name == "a"


def test_named_data_lie_where_the_variable_says_unless_a_root_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    roots: list[Path] = []
    reader = sources.READERS["digits"]
    monkeypatch.setitem(
        sources.READERS, "digits", lambda config, root, _: roots.append(root) or reader(config, root, 0)
    )
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("UDD_DATA", "$HERE/raw")
    udd.dataset("digits")
    udd.dataset("digits", root="$HERE/other")
    splitting.run(["digits", "--test", "300", "--out", str(tmp_path / "a.npz")])
    monkeypatch.delenv("UDD_DATA")
    udd.dataset("digits")
    assert roots == [tmp_path / "raw", tmp_path / "other", tmp_path / "raw", Path("data")]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (source_request, ["digits"]),
        (splitting, ["digits", "--test", "3", "--out", "a.npz"]),
        (judge, ["a.safetensors", "--dataset", "digits"]),
        (compare, ["a.safetensors", "b.safetensors", "--dataset", "digits"]),
        (importing, ["a.pt", "--as", "idc", "--dataset", "digits"]),
    ],
)
def test_no_command_line_decides_the_root_itself(module: Any, words: list[str]):
    assert module.parser().parse_args(words).root is None
