"""One image file -> pixels: orientation, size, and files that are harmed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared import manifest_of

from udd.data import images
from udd.data.images import Look, decode, fit_all
from udd.data.vision import torchvision
from udd.errors import UserError

TRANSFORMS = torchvision("transforms")  # here, since its import takes longer than an example may


def jpeg(exif: bytes) -> bytes:
    """A JPEG, 16 wide and 8 high, that carries `exif`."""
    content = io.BytesIO()
    fakes.image(size=(16, 8)).save(content, "JPEG", exif=exif)
    return content.getvalue()


def test_a_photograph_is_turned_upright_and_a_broken_exif_is_no_matter():
    exif = fakes.Image.Exif()
    exif[0x0112] = 6  # Orientation: turned by 90 degrees
    assert decode(Path("x"), jpeg(exif.tobytes()), Look(False))[0].shape == (3, 16, 8)
    assert decode(Path("x"), jpeg(b"Exif\0\0broken"), Look(False))[0].shape == (3, 8, 16)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24))
def test_fit_is_torchvisions_resize_and_centre_crop(width, height, size):
    image = fakes.image("L", (width, height))
    theirs = TRANSFORMS.CenterCrop(size)(TRANSFORMS.Resize(size)(image))
    assert np.array_equal(fit_all(np.asarray(image)[None, None], size)[0, 0], np.asarray(theirs))


@given(st.sampled_from([".png", ".jpg"]), st.integers(0, 2**31), st.booleans())
def test_harmed_image_is_named_or_read_whole(suffix, position, truncate):
    content = io.BytesIO()
    fakes.image(size=(16, 12)).save(content, "PNG" if suffix == ".png" else "JPEG")
    try:
        pixels, _ = decode(
            Path("pets/1" + suffix), fakes.harmed(content.getvalue(), position, truncate), Look(False, 6)
        )
        assert pixels.shape == (3, 6, 6)
    except UserError as error:
        assert str(error).startswith("pets/1" + suffix)


def cut_out(mode: str, **options) -> bytes:
    """A PNG, 8 x 8, whose left half is transparent; what lies under it is black above and white
    below. Its right half is 100."""
    pixels = np.full((8, 8, 4), 100, np.uint8)
    pixels[..., 3] = 255
    pixels[:, :4] = 0
    pixels[4:, :4, :3] = 255
    image = fakes.Image.fromarray(pixels)
    if mode in ("P", "L", "RGB"):  # one value stands for transparent
        image = fakes.Image.fromarray(np.where(pixels[..., 3], 100, 7).astype(np.uint8)).convert(mode)
        options = {"transparency": (7, 7, 7) if mode == "RGB" else 7}
    else:
        image = image.convert(mode)
    content = io.BytesIO()
    image.save(content, "PNG", **options)
    return content.getvalue()


@pytest.mark.parametrize("background, value", [("white", 255), ("black", 0)])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_what_is_transparent_shows_the_background(mode: str, grey: bool, background: str, value: int):
    pixels, found = decode(Path("x"), cut_out(mode), Look(grey, None, background))
    assert found["transparent"] == 1 and pixels.shape == (1 if grey else 3, 8, 8)
    assert (pixels[:, :, :4] == value).all() and (pixels[:, :, 4:] == 100).all()


@given(st.integers(0, 255), st.integers(0, 255))
def test_half_transparent_pixels_are_mixed(alpha: int, colour: int):
    content = io.BytesIO()
    fakes.Image.new("RGBA", (2, 2), (colour, colour, colour, alpha)).save(content, "PNG")
    pixels, _ = decode(Path("x"), content.getvalue(), Look(False))
    assert abs(int(pixels[0, 0, 0]) - (colour * alpha + 255 * (255 - alpha)) / 255) <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_changes_nothing(mode: str):
    content = io.BytesIO()
    fakes.image().convert(mode).save(content, "PNG")
    pixels, found = decode(Path("x"), content.getvalue(), Look(False))
    assert found["transparent"] == 0 and np.array_equal(
        pixels, np.asarray(fakes.image().convert(mode).convert("RGB")).transpose(2, 0, 1)
    )


def test_the_manifest_names_the_background_where_it_shows(tmp_path: Path, capsys: pytest.CaptureFixture):
    base = fakes.write_tree(tmp_path / "pets", size=(8, 8))
    (base / "train/cat/cut.png").write_bytes(cut_out("RGBA"))
    for key, name in (({}, "white"), ({"background": "black"}, "black")):
        manifest = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6} | key)
        found = json.loads(manifest.read_text())
        assert found["background"] == name and found["transparent"] == 1
        assert f"1 images are transparent in part; behind them is {name}" in capsys.readouterr().out


def test_large_images_are_resized_and_larger_ones_refused(monkeypatch: pytest.MonkeyPatch):
    """Pillow's own limit would be an error from 179 million pixels on; a quarter as many may have 16 bits a channel."""
    assert fakes.Image.MAX_IMAGE_PIXELS is None and images.LARGEST > 250e6
    content = io.BytesIO()
    fakes.image(size=(20, 10)).save(content, "PNG")
    monkeypatch.setattr(images, "LARGE", 100)
    monkeypatch.setattr(images, "LARGEST", 200)
    assert decode(Path("x"), content.getvalue(), Look(False, 6))[0].shape == (3, 6, 6)
    monkeypatch.setattr(images, "LARGEST", 199)
    with pytest.raises(UserError, match="^x: 20 x 10 pixels, expected at most 199 in all; make it smaller$"):
        decode(Path("x"), content.getvalue(), Look(False, 6))


@pytest.mark.parametrize("background", ["pink", (255, 0, 0), ["white"], None])
@pytest.mark.parametrize("content", [jpeg(b""), cut_out("LA")], ids=["opaque", "transparent"])
def test_a_background_that_is_none_is_blamed_and_no_file(background, content: bytes):
    with pytest.raises(UserError, match="^background: found .*, expected white or black; name one of them$"):
        decode(Path("x"), content, Look(False, background=background))
