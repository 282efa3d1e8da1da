"""Folders of parquet files, as data sets of the Hugging Face Hub are: what is read, and one line for whatever is
wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from prepared import loaded

import udd
from udd import checking
from udd.data.listing import has_parquet
from udd.data.packing import prepare
from udd.data.parquet import names_in
from udd.data.sources import fingerprint
from udd.errors import UserError

CONFIG = {"name": "pets", "kind": "parquet"}


def encoded(mode: str = "RGB", size: tuple[int, int] = (8, 8), seed: int = 0) -> bytes:
    """A noise image as a PNG."""
    kept = io.BytesIO()
    fakes.image(mode, size, seed).save(kept, "PNG")
    return kept.getvalue()


def deep(top: int) -> bytes:
    """A grey image of 16 bits whose values run from 0 to `top`."""
    kept = io.BytesIO()
    fakes.Image.fromarray(np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)).save(kept, "PNG")
    return kept.getvalue()


def write(
    path: Path,
    images: list[Any] | None = None,
    labels: Any = None,
    names: list[str] | None = None,
    columns: tuple[str, str] = ("image", "label"),
) -> Path:
    """A parquet file as the Hub's library writes it: structs of bytes and path, labels, the
    classes' names in its metadata."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images = images if images is not None else [encoded(seed=seed) for seed in range(6)]
    if images and isinstance(images[0], bytes):
        images = [{"bytes": data, "path": f"{number}.png"} for number, data in enumerate(images)]
    table = arrow.table(
        {columns[0]: images, columns[1]: labels if labels is not None else fakes.labels(len(images), 2)}
    )
    if names:
        features = {columns[1]: {"names": names, "_type": "ClassLabel"}, columns[0]: {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)
    return path


def folder(root: Path, **more: Any) -> Path:
    """Two files of training images and one of test images in pets/."""
    for number, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        write(root / "pets" / f"{name}.parquet", [encoded(seed=10 * number + seed) for seed in range(6)], **more)
    return root / "pets"


def test_images_and_names_are_those_of_the_files(tmp_path: Path):
    folder(tmp_path, names=["cat", "dog"])
    found = loaded(tmp_path, CONFIG)
    assert (
        found.classes == ["cat", "dog"]
        and found.train_images.shape == (12, 3, 8, 8)
        and found.test_images.shape == (6, 3, 8, 8)
    )
    assert found.train_labels.tolist() == [0, 1] * 6
    assert np.array_equal(found.train_images[8].numpy(), np.asarray(fakes.image("RGB", (8, 8), 12)).transpose(2, 0, 1))


@pytest.mark.parametrize("columns", [("img", "label"), ("img", "fine_label"), ("image", "labels")])
def test_columns_go_by_either_name_and_classes_without_names_by_numbers(tmp_path: Path, columns: tuple[str, str]):
    found = udd.dataset(folder(tmp_path, columns=columns))
    assert found.name == "pets" and found.classes == ["0", "1"]
    assert udd.dataset(tmp_path / "pets", classes=["a", "b"]).classes == ["a", "b"]


def test_a_download_that_was_cut_is_not_taken_for_the_whole(tmp_path: Path):
    (folder(tmp_path) / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(UserError, match=r"pets: train-00000-of-00002.parquet is missing, one of 2 parts; get the data"):
        prepare(CONFIG, tmp_path)


def test_the_hub_keeps_files_in_data_and_some_have_no_test_part(tmp_path: Path):
    write(tmp_path / "pets" / "data" / "train-0.parquet", names=["cat", "dog"])
    write(tmp_path / "pets" / "data" / "validation-0.parquet")
    assert has_parquet(tmp_path / "pets")
    assert len(udd.dataset(tmp_path / "pets").test_images) == 6
    write(tmp_path / "pets" / "data" / "test-0.parquet", [encoded()] * 4)
    made = prepare(CONFIG, tmp_path)
    assert made["counts"]["test"] == [2, 2] and made["left_out"] == {"validation-*.parquet": 1}
    assert [file["name"] for file in made["files"]] == ["data/train-0.parquet", "data/test-0.parquet"]


@pytest.mark.parametrize("odd, channels", [("L", 1), ("LA", 1), ("RGBA", 3)])
def test_images_are_grey_only_if_every_one_is(tmp_path: Path, odd: str, channels: int):
    for part in ("train", "test"):
        write(tmp_path / "pets" / f"{part}-0.parquet", [encoded("L") for _ in range(3)] + [encoded(odd)])
    assert loaded(tmp_path, CONFIG).train_images.shape[1] == channels


def test_images_of_any_size_are_fitted_to_one(tmp_path: Path):
    for part in ("train", "test"):
        write(tmp_path / "pets" / f"{part}-0.parquet", [encoded(size=(9, 12)), encoded(size=(20, 8))])
    assert loaded(tmp_path, CONFIG | {"size": 8}).train_images.shape == (2, 3, 8, 8)
    with pytest.raises(UserError, match="pets: images from .* set the data set's size"):
        loaded(tmp_path, CONFIG)


def test_images_of_16_bits_are_scaled_by_the_range_of_the_training_images(tmp_path: Path):
    write(tmp_path / "pets" / "train-0.parquet", [deep(4000), deep(2000)])
    write(tmp_path / "pets" / "test-0.parquet", [deep(8000), deep(1000)])
    with pytest.raises(UserError, match=r"train-0.parquet, row 0: more than 8 bits a channel .* `depth: 16`"):
        prepare(CONFIG, tmp_path)
    made = prepare(CONFIG | {"depth": 16}, tmp_path)
    found = loaded(tmp_path, CONFIG | {"depth": 16})
    assert (
        made["range"] == [0, 4000] and found.train_images[0].max() == 255 and 126 <= found.train_images[1].max() <= 128
    )


def test_the_workflow_sees_when_a_file_changes(tmp_path: Path):
    base = folder(tmp_path)
    before = fingerprint(CONFIG, tmp_path, tmp_path / "none.json")[0]
    assert before and fingerprint(CONFIG, tmp_path, tmp_path / "none.json")[0] == before
    write(base / "train-00000-of-00002.parquet", [encoded(seed=99)] * 6)
    assert fingerprint(CONFIG, tmp_path, tmp_path / "none.json")[0] != before


IMAGES = [{"bytes": encoded(), "path": "a"}] * 2
HARMS: list[tuple[str, Any, str]] = [
    ("an image that is none", {"images": [b"text"] * 2}, "train-0.parquet, row 0: not an image; replace"),
    ("a cut image", {"images": [encoded(), encoded()[:-60]]}, "row 1: the image does not decode"),
    ("a path alone", {"images": [IMAGES[0], {"bytes": None, "path": "b"}]}, "row 1: no bytes of an image"),
    ("text for images", {"images": ["a.png", "b.png"]}, "column image is string; expected structs of bytes"),
    ("another column", {"columns": ("photo", "label")}, "found the columns photo, label, expected image or img"),
    ("text for labels", {"labels": ["cat", "dog"] * 3}, "column label is string; expected integers"),
    ("a missing label", {"labels": [0, None] * 3}, "column label has 6 rows, 3 of them without a label"),
    ("hidden labels", {"labels": [-1] * 6}, "holds -1, which is no class"),
    (
        "an immense label",
        {"labels": [0, 3000000000] * 3},
        "found the label 3000000000, but there are 6 training images",
    ),
    (
        "a label without a name",
        {"labels": [0, 2] * 3, "names": ["a", "b"]},
        "found the label 2, but 2 classes have names",
    ),
    ("another data set", {"names": ["a", "b", "c"]}, "are not those of the other files"),
    ("no rows", {"images": [], "labels": []}, "column image is null"),
]


@pytest.mark.parametrize("harm, more, said", HARMS, ids=[harm for harm, _, _ in HARMS])
def test_what_is_wrong_is_one_line_that_names_the_file(tmp_path: Path, harm: str, more: dict[str, Any], said: str):
    write(tmp_path / "pets" / "train-0.parquet", **more)
    write(tmp_path / "pets" / "test-0.parquet", names=["x", "y"] if harm == "another data set" else None)
    with pytest.raises(UserError, match=said) as error:
        prepare(CONFIG, tmp_path)
    assert (
        str(error.value).startswith(str(tmp_path))
        and "\n" not in str(error.value)
        and not (tmp_path / "packed").exists()
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, share: float):
    base = folder(tmp_path)
    path = base / "train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match="train-00001-of-00002.parquet: corrupt, cut off or not a parquet file"):
        udd.dataset(base)


def test_a_folder_without_its_parts_is_refused(tmp_path: Path):
    (tmp_path / "pets").mkdir()
    with pytest.raises(UserError, match="pets: no train-.*parquet in it or its data/"):
        prepare(CONFIG, tmp_path)
    (tmp_path / "pets" / "train-0.parquet").touch()
    with pytest.raises(UserError, match="no test-.*parquet and no validation"):
        prepare(CONFIG, tmp_path)


def test_without_pyarrow_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    for part in ("train", "test"):
        fakes.write(tmp_path / "pets" / f"{part}-0.parquet", b"PAR1")
    with pytest.raises(UserError, match=r"train-0.parquet: .* not installed; pip install 'udd\[hub\]'$"):
        udd.dataset(tmp_path / "pets")


def test_data_check_looks_through_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    base = folder(tmp_path, names=["cat", "dog"])
    write(base / "test-00000-of-00001.parquet", [encoded(seed=0), b"none", encoded("L")], [0, 1, 1])
    with pytest.raises(UserError, match="1 images cannot be read: test-00000-of-00001.parquet, row 1"):
        checking.run([str(base), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"train": {"cat": 6, "dog": 6}, "test": {"cat": 1, "dog": 1}} and found["modes"] == {
        "RGB": 13,
        "L": 1,
    }
    assert found["in_train_and_test"] == [["train-00000-of-00002.parquet, row 0", "test-00000-of-00001.parquet, row 0"]]


def test_metadata_without_names_gives_none():
    for value in (b"{", b"[]", b'{"info": {"features": {"label": {"dtype": "int64"}}}}', b'{"info": null}'):
        assert names_in({b"huggingface": value}, "label") == []
    assert names_in({}, "label") == []
