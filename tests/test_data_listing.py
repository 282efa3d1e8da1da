"""Which files of a tree are read: any depth, any format of Pillow, any class name; what
is left out is counted and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import fakes
import pytest
from prepared import loaded, manifest_of

from udd.data.listing import class_folders, images_below, suffixes
from udd.data.packing import prepare
from udd.data.sources import fingerprint, sources
from udd.data.undivided import undivided
from udd.errors import UserError

PETS = {"name": "pets", "kind": "folder", "size": 6}
SUFFIXES = (
    ".png .apng .bmp .dib .webp .tif .tiff .gif .jfif .jpe .jpg .jpeg .JPG .ppm .pgm .pnm .tga .pcx .ico .jp2 .j2k "
    ".qoi .sgi .avif"
)


def manifest(tmp_path: Path, config: dict) -> dict:
    return json.loads(manifest_of(tmp_path, config).read_text())


def test_every_format_of_pillow(tmp_path: Path):
    """Also those that photographs are mostly not in; formats that Pillow only names are left out."""
    known = [suffix for suffix in SUFFIXES.split() if suffix.lower() in suffixes()]
    assert len(known) >= 21 and not {".mpg", ".h5", ".eps", ".wmf", ".pdf", ".txt"} & suffixes()
    base = fakes.write_tree(tmp_path / "pets")
    kinds = {".jfif": "JPEG", ".jpe": "JPEG", ".pnm": "PPM", ".pgm": "PPM"}
    for suffix in known:
        fakes.image(size=(16, 16)).save(base / "train/cat" / f"x{suffix}", kinds.get(suffix))
    assert manifest(tmp_path, PETS)["counts"]["train"] == [3 + len(known), 3]


@pytest.mark.parametrize("kind, test", [("folder", "test"), ("imagenet10", "val")])
def test_a_folder_a_patient(tmp_path: Path, kind: str, test: str):
    """Images any number of folders below their class; a link to a folder is one, a link
    back to the class is not followed."""
    base = fakes.write_tree(tmp_path / "pets", splits=("train", test))
    for patient in ("p1", "p2/left"):
        shutil.copytree(base / test / "cat", base / "train/cat" / patient)
    shutil.copytree(base / test / "cat", tmp_path / "elsewhere")
    (base / "train/cat/link").symlink_to(tmp_path / "elsewhere")
    (base / "train/cat/loop").symlink_to(base / "train")
    found = manifest(tmp_path, PETS | {"kind": kind, "classes": ["cat", "dog"]})
    assert found["counts"]["train"] == [12, 3] and "train/cat/p2/left/0.png" in [
        file["name"] for file in found["files"]
    ]


def test_a_class_is_any_folder_but_hidden_ones_and_litter(tmp_path: Path):
    base = fakes.write_tree(
        tmp_path / "pets", ("__background__", "_", "$5_to_$10", "猫", "with space", ".hidden", "__MACOSX")
    )
    assert class_folders(base, ("train", "test")) == ["$5_to_$10", "_", "__background__", "with space", "猫"]
    assert len(loaded(tmp_path, PETS).classes) == 5


def test_what_is_left_out_is_counted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    base = fakes.write_tree(tmp_path / "pets")
    for name in (
        "train/cat/a.txt",
        "test/dog/b.TXT",
        "train/cat/.DS_Store",
        "train/cat/._0.png",
        "test/cat/scan.heic",
        "test/cat/Makefile",
    ):
        (base / name).write_text("")
    for name in ("train/loose.png", "loose.png", "val/cat/0.png", "val/cat/1.png", "train/cat/.kept.png"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        fakes.image().save(base / name)
    found = manifest(tmp_path, PETS)
    assert found["left_out"] == {".txt": 2, ".heic": 1, "no suffix": 1, "train/": 1, "./": 1, "val/": 2, "hidden": 1}
    assert "left out: 1 ./, 1 .heic, 2 .txt, 1 hidden, 1 no suffix, 1 train/, 2 val/" in capsys.readouterr().out


@pytest.mark.parametrize("suffix, frames", [(".gif", 2), (".tif", 2), (".webp", 2), (".png", 2), (".mpo", 0)])
def test_further_frames_are_counted(tmp_path: Path, suffix: str, frames: int):
    """Animations and stacks of slices; a camera's second picture is a preview of the first."""
    base = fakes.write_tree(tmp_path / "pets")
    more = [fakes.image(seed=seed) for seed in (1, 2)]
    place = base / "train/cat" / f"many{suffix if frames else '.jpg'}"
    fakes.image().save(place, None if frames else "MPO", save_all=True, append_images=more)
    assert manifest(tmp_path, PETS).get("left_out", {}).get("further frames", 0) == frames


def test_nothing_to_say_leaves_the_manifest_as_it_was(tmp_path: Path):
    fakes.write_tree(tmp_path / "pets")
    assert not manifest(tmp_path, PETS).keys() & {"left_out", "background", "transparent", "range"}


def test_a_class_whose_files_are_all_left_out_says_what_they_are(tmp_path: Path):
    base = fakes.write_tree(tmp_path / "pets")
    for path in (base / "test/dog").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(UserError, match=r"test/dog: no image that Pillow reads \(3 .heic\); class dog"):
        prepare(PETS, tmp_path)


def write_tiny_imagenet(base: Path) -> Path:
    """Tiny-ImageNet's layout: boxes beside images/, validation labels in a file, test images without labels."""
    fakes.write_tree(base, ("n02/images", "n01/images"), ("train", "train"), suffix=".JPEG")
    (base / "train/n01/n01_boxes.txt").write_text("")
    (base / "val/images").mkdir(parents=True)
    (base / "test/images").mkdir(parents=True)
    lines = []
    for i in range(6):
        fakes.image(seed=i).save(base / "val/images" / f"val_{i}.JPEG")
        lines.append(f"val_{i}.JPEG\tn0{2 - i % 2}\t0\t32\t44\t62\n")
    fakes.image().save(base / "test/images/test_0.JPEG")
    (base / "val/val_annotations.txt").write_text("".join(lines))
    return base


@pytest.mark.parametrize("kind", ["folder", "imagenet10"])
def test_tiny_imagenet(tmp_path: Path, kind: str):
    write_tiny_imagenet(tmp_path / "pets")
    config = PETS | {"kind": kind} | ({"classes": ["n01", "n02"]} if kind == "imagenet10" else {})
    found = manifest(tmp_path, config)
    assert found["classes"] == ["n01", "n02"] and found["counts"] == {"train": [3, 3], "test": [3, 3]}
    names = [file["name"] for file in found["files"][6:]]
    assert names == [*(f"val/images/val_{i}.JPEG" for i in (1, 3, 5, 0, 2, 4)), "val/val_annotations.txt"]
    before = fingerprint(config, tmp_path, tmp_path / "manifest.json")
    assert before[1] == ""
    labels = tmp_path / "pets/val/val_annotations.txt"
    labels.write_text(labels.read_text().replace("n01", "n03").replace("n02", "n01").replace("n03", "n02"))
    after = fingerprint(config, tmp_path, tmp_path / "manifest.json")
    assert after[0] != before[0] and "1 changed" in after[1]  # that the test images are of other classes


def test_tiny_imagenet_with_an_unknown_class_or_a_missing_image(tmp_path: Path):
    base = write_tiny_imagenet(tmp_path / "pets")
    annotations = base / "val/val_annotations.txt"
    whole = annotations.read_text()
    annotations.write_text(whole + "val_9.JPEG\tn09\n")
    with pytest.raises(UserError, match="val_annotations.txt, line 7: class 'n09' has no folder"):
        prepare(PETS, tmp_path)
    annotations.write_text(whole + "val_9.JPEG\tn01\n")
    with pytest.raises(UserError, match="val_9.JPEG: no such file"):
        prepare(PETS, tmp_path)


def test_images_below_sorts_a_flat_folder_by_name(tmp_path: Path):
    base = fakes.write_tree(tmp_path / "pets", n=12)
    images, _ = images_below(base / "train/cat")
    assert [path.name for path in images] == sorted(f"{i}.png" for i in range(12))


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_images_to_validate_on_are_tested_on_where_there_are_no_others(tmp_path: Path, name: str):
    base = fakes.write_tree(tmp_path / "pets", splits=("train", name))
    found = manifest(tmp_path, PETS)
    assert {file["name"].split("/")[0] for file in found["files"]} == {"train", name}
    assert found["counts"] == {"train": [3, 3], "test": [3, 3]} and "left_out" not in found
    assert sources(PETS, tmp_path).keys() == {file["name"] for file in found["files"]}
    fakes.write_tree(tmp_path / "pets", splits=("test",))
    beside = manifest(tmp_path, PETS)
    assert {file["name"].split("/")[0] for file in beside["files"]} == {"train", "test"}
    assert beside["left_out"] == {f"{name}/": 6} and base.exists()


@pytest.mark.parametrize("place", [".", "train"])
@pytest.mark.parametrize("beside", [None, "test", "test/images"])
def test_a_tree_without_test_images_is_told_how_to_be_split(tmp_path: Path, place: str, beside: str | None):
    """Test images without labels, one folder of them or none, are none."""
    base = fakes.write_tree(tmp_path / "my pets", splits=(place,))
    if beside and place == "train":
        (base / beside).mkdir(parents=True)
        fakes.image(size=(8, 8)).save(base / beside / "0.png")
    said = f"udd split '{base}' --test N --seed 0 --out NAME.npz sets some aside of {base / place}"
    with pytest.raises(UserError, match=f"no test images with classes.*{said}"):
        manifest(tmp_path, PETS | {"path": "my pets"})
    shutil.rmtree(base / place / "dog")  # one class is none
    assert undivided(base) is None


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "val"), ("Training", "Testing"), ("Train", "Test")])
def test_parts_are_no_classes(tmp_path: Path, splits: tuple[str, ...]):
    base = fakes.write_tree(tmp_path / "pets", splits=splits)
    assert undivided(base) is None and undivided(tmp_path / "absent") is None
    if splits[0] != "train":
        with pytest.raises(UserError, match=f"train: no such folder; .*; rename {splits[0]}/ to train/"):
            manifest(tmp_path, PETS)


def test_the_first_folder_to_test_on_that_has_the_classes_is_read(tmp_path: Path):
    """Tiny-ImageNet, sorted by class, still has a folder of test images without labels."""
    base = fakes.write_tree(tmp_path / "pets", splits=("train", "val"))
    fakes.write_tree(base, classes=("images",), splits=("test",))
    found = manifest(tmp_path, PETS)
    assert found["classes"] == ["cat", "dog"] and found["left_out"] == {"test/": 3}
