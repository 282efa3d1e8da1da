"""One image file -> pixels: orientation, size, and files that are harmed."""

from __future__ import annotations

import io
from pathlib import Path

import fakes
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
        pixels, _ = decode(Path("pets/1" + suffix), fakes.harmed(content.getvalue(), position, truncate), Look(False, 6))
        assert pixels.shape == (3, 6, 6)
    except UserError as error:
        assert str(error).startswith("pets/1" + suffix)
