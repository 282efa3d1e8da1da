"""Images of 16 bits a channel: read with all their bits, scaled by one range, or refused; never cut
to eight bits in silence."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from prepared import loaded, manifest_of

from udd.data.depth import deep_pixels, is_deep
from udd.data.images import Look, decode, scaled
from udd.data.packing import prepare
from udd.errors import UserError
from udd.inspection import of_folder

PETS = {"name": "pets", "kind": "folder", "size": 6}
COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour type by the number of channels


def words(*shape: int, high: int = 65536, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint16)


def png(values: np.ndarray) -> bytes:
    """uint16 [H, W, K] as a PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, order: str) -> bytes:
    """uint16 [H, W, K] as a TIFF, not compressed, in either byte order."""
    height, width, channels = values.shape
    data = values.astype(order + "u2").tobytes()
    bits = 8 + len(data)
    fields = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, bits if channels > 1 else 16), (259, 3, 1, 1)]
    fields += [
        (262, 3, 1, 2 if channels == 3 else 1),
        (273, 4, 1, 8),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
    ]
    body = data + struct.pack(f"{order}{channels}H", *[16] * channels)
    entries = b"".join(
        struct.pack(order + "HHI", tag, kind, count)
        + (struct.pack(order + "HH", value, 0) if kind == 3 and count == 1 else struct.pack(order + "I", value))
        for tag, kind, count, value in fields
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(fields)) + entries + bytes(4)


def pillow(values: np.ndarray, kind: str, **options) -> bytes:
    """uint16 [H, W, 1] as Pillow writes it."""
    content = io.BytesIO()
    Image.fromarray(values[..., 0]).save(content, kind, **options)
    return content.getvalue()


def pnm(values: np.ndarray, maxval: int) -> bytes:
    height, width, channels = values.shape
    return f"P{5 if channels == 1 else 6} {width} {height} {maxval}\n".encode() + values.astype(">u2").tobytes()


GREY, RGB = words(5, 7, 1), words(5, 7, 3, seed=1)
READ = {
    "png grey": (png(GREY), GREY),
    "png rgb": (png(RGB), RGB),
    "tiff grey, little end first": (tiff(GREY, "<"), GREY),
    "tiff grey, big end first": (tiff(GREY, ">"), GREY),
    "tiff rgb, little end first": (tiff(RGB, "<"), RGB),
    "tiff rgb, big end first": (tiff(RGB, ">"), RGB),
    "tiff grey, compressed": (pillow(GREY, "TIFF", compression="tiff_lzw"), GREY),
    "jpeg 2000 grey": (pillow(GREY, "JPEG2000"), GREY),
    "pgm": (pnm(GREY, 65535), GREY),
}
REFUSED = {"png grey alpha": png(words(5, 7, 2)), "png rgba": png(words(5, 7, 4)), "ppm": pnm(RGB, 65535)}


@pytest.mark.parametrize("name", READ)
def test_every_bit_is_read(name: str):
    data, values = READ[name]
    assert is_deep(Image.open(io.BytesIO(data)))
    assert np.array_equal(deep_pixels(Path("x"), data), values.transpose(2, 0, 1))


@pytest.mark.parametrize("name", REFUSED)
def test_other_deep_images_are_known_and_refused(name: str):
    assert is_deep(Image.open(io.BytesIO(REFUSED[name])))
    with pytest.raises(UserError, match="^x: .* is not read at more than 8 bits; convert it to PNG or TIFF of 16 bits"):
        deep_pixels(Path("x"), REFUSED[name])


EIGHT = ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "TGA", "SGI", "PCX", "ICO", "DDS", "JPEG2000"]


@pytest.mark.parametrize("kind", EIGHT)
def test_eight_bits_are_not_deep(kind: str):
    content = io.BytesIO()
    fakes.image(size=(16, 16)).save(content, kind)
    assert not is_deep(Image.open(content))


@given(st.integers(0, 65535), st.integers(0, 65535), st.lists(st.integers(0, 65535), min_size=1))
def test_scaling_is_linear_and_rounded(low: int, high: int, values: list[int]):
    low, high = sorted((low, high))
    expected = np.floor((np.clip(values, low, high) - low) * 255 / max(high - low, 1) + 0.5)
    assert np.array_equal(scaled(np.array(values, np.uint16), (low, high)), expected)


def write_deep(base: Path, kind: str) -> None:
    """Four images a class of 12 bits, in both splits; `kind` of file."""
    for split in ("train", "test"):
        for label, name in enumerate(("bright", "dark")):
            for i in range(4):
                values = words(8, 8, 3 if kind != "grey" else 1, high=2000, seed=i) + 2000 * (1 - label) + 50
                path = base / split / name / f"{i}.{'tif' if kind == 'tiff' else 'png'}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tiff(values, "<") if kind == "tiff" else png(values))


@pytest.mark.parametrize("kind, channels", [("rgb", 3), ("grey", 1), ("tiff", 3)])
def test_a_folder_is_scaled_by_the_range_of_its_training_images(tmp_path: Path, kind: str, channels: int):
    write_deep(tmp_path / "pets", kind)
    with pytest.raises(UserError, match="more than 8 bits a channel .*`depth: 16`"):
        prepare(PETS, tmp_path)
    config = {"name": "pets", "kind": "folder", "depth": 16}
    found = loaded(tmp_path, config)
    low, high = json.loads((tmp_path / "manifest.json").read_text())["range"]
    assert (
        found.train_images.shape == (8, channels, 8, 8)
        and found.train_images.max() == 255
        and found.train_images.min() == 0
    )
    assert 50 <= low < 150 and 3950 < high < 4050 and len(found.train_images.unique()) > 200
    dark, bright = (found.train_images[found.train_labels == label].float().mean() for label in (1, 0))
    assert bright > dark + 80  # one range for all: brightness still tells the classes


@pytest.mark.parametrize("kind", ["folder", "imagenet10"])
def test_eight_bits_among_sixteen_are_refused_either_way(tmp_path: Path, kind: str):
    write_deep(tmp_path / "pets", "rgb")
    (tmp_path / "pets/test").rename(tmp_path / "pets" / ("test" if kind == "folder" else "val"))
    config = PETS | {"kind": kind, "classes": ["bright", "dark"]}
    with pytest.raises(UserError, match="more than 8 bits"):
        prepare(config, tmp_path)
    fakes.image().save(tmp_path / "pets/train/dark/odd.png")
    with pytest.raises(UserError, match="odd.png: 8 bits a channel or fewer"):
        prepare(config | {"depth": 16}, tmp_path)


def test_npz(tmp_path: Path):
    train, test = words(12, 8, 8, 3, high=4096), words(6, 8, 8, 3, high=5000, seed=1)
    fakes.write_npz(tmp_path / "mine.npz", train_images=train, test_images=test)
    found = loaded(tmp_path, {"name": "mine", "kind": "npz", "depth": 16})
    span = (int(train.min()), int(train.max()))
    assert np.array_equal(found.test_images.numpy(), scaled(test, span).transpose(0, 3, 1, 2))
    assert json.loads(manifest_of(tmp_path, {"name": "mine", "kind": "npz", "depth": 16}).read_text())["range"] == list(
        span
    )
    fakes.write_npz(tmp_path / "mine.npz")
    with pytest.raises(UserError, match="train_images is uint8; expected uint16, as `depth: 16` says"):
        prepare({"name": "mine", "kind": "npz", "depth": 16}, tmp_path)


@pytest.mark.parametrize("key", [{"depth": 16}, {"background": "black"}])
@pytest.mark.parametrize("kind", ["mnist", "cifar10", "digits"])
def test_kinds_whose_images_are_known_take_neither_key(tmp_path: Path, key: dict, kind: str):
    with pytest.raises(UserError, match=f"x: {next(iter(key))} is of no use to kind {kind}"):
        prepare({"name": "x", "kind": kind} | key, tmp_path)


@pytest.mark.parametrize(
    "values, words",
    [
        (np.zeros((8, 8), np.float32), "TIFF of mode F is not read at more than 8 bits; convert it"),
        (np.full((8, 8), 70000, np.int32), "values from 70000 to 70000; expected 0 to 65535"),
    ],
)
def test_what_is_not_read_at_sixteen_bits_is_found_before(tmp_path: Path, values: np.ndarray, words: str):
    """`udd data check` refuses what reading would."""
    write_deep(tmp_path / "pets", "grey")
    Image.fromarray(values).save(tmp_path / "pets/train/dark/odd.tif")
    seen, _ = of_folder(tmp_path / "pets", deep=True)
    assert [(each.name, words in each.fault) for each in seen if each.fault] == [("train/dark/odd.tif", True)]
    with pytest.raises(UserError, match=f"odd.tif: {words}"):
        prepare(PETS | {"depth": 16}, tmp_path)


@pytest.mark.parametrize("data", [*REFUSED.values(), pillow(np.zeros((8, 8, 1), np.float32), "TIFF")])
def test_nobody_is_sent_to_a_depth_at_which_an_image_is_not_read(tmp_path: Path, data: bytes):
    with pytest.raises(UserError, match="more than 8 bits a channel .*; convert it to 8 bits$"):
        decode(tmp_path / "x", data, Look(False))


@pytest.mark.parametrize("order", "<>")
def test_an_npz_of_any_order_of_bytes(tmp_path: Path, order: str):
    train, test = words(12, 8, 8, 3), words(6, 8, 8, 3, seed=1)
    fakes.write_npz(tmp_path / "mine.npz", train_images=train.astype(f"{order}u2"), test_images=test.astype(">u2"))
    found = loaded(tmp_path, {"name": "mine", "kind": "npz", "depth": 16})
    span = (int(train.min()), int(train.max()))
    assert np.array_equal(found.train_images.numpy(), scaled(train, span).transpose(0, 3, 1, 2))
    assert np.array_equal(found.test_images.numpy(), scaled(test, span).transpose(0, 3, 1, 2))
