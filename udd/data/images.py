"""Decoding and resizing with Pillow, whose 8-bit arithmetic is in integers: the same pixels on every machine."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from udd.errors import UserError

GREY = {"1", "L", "LA"}
DEEP = {"I", "F"}  # and I;16 and its kin: more than 8 bits a channel


def probe(path: Path) -> tuple[bool, tuple[int, int]]:
    """Whether an image is grey, and its (width, height), from its header alone.

    Raises UserError if it is no image, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            mode, side = image.mode, image.size
    except Exception as error:  # decoders raise many kinds on foreign bytes, and all mean the same here
        raise unreadable(path, error) from None
    if mode.split(";")[0] in DEEP:
        raise UserError(f"{path}: more than 8 bits a channel (mode {mode}); convert it to 8 bits")
    return mode in GREY, side


def decode(path: Path, data: bytes, grey: bool, size: int | None) -> np.ndarray:
    """The image in `data`, upright by its EXIF, as uint8 [K, H, W], fitted to `size` if given. Raises UserError naming `path`."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except Exception as error:  # decoders raise many kinds on foreign bytes, and all mean the same here
        raise unreadable(path, error) from None
    image = upright(image).convert("L" if grey else "RGB")
    pixels = np.asarray(fit(image, size) if size else image)
    return np.atleast_3d(pixels).transpose(2, 0, 1)


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; as it is if the EXIF is broken, which is no reason to refuse the pixels."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def unreadable(path: Path, error: Exception) -> UserError:
    """The one line for an image that does not decode."""
    if isinstance(error, Image.UnidentifiedImageError):
        return UserError(f"{path}: not an image; replace or remove it")
    return UserError(f"{path}: the image does not decode ({error}); replace or remove it")


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size` (bilinear, antialiased) and cut the centre square, as torchvision's transforms do."""
    short = min(image.size)
    width, height = (int(size * side / short) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image if (width, height) == image.size else image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def fit_all(images: np.ndarray, size: int | None) -> np.ndarray:
    """`fit` for an array: uint8 [n, K, H, W] -> [n, K, size, size]. Channel by channel, so that K is free."""
    n, channels, height, width = images.shape
    if size is None or height == width == size:
        return images
    planes = images.reshape(n * channels, height, width)
    return np.stack([np.asarray(fit(Image.fromarray(plane), size)) for plane in planes]).reshape(n, channels, size, size)
