"""Decoding and resizing with Pillow, whose 8-bit arithmetic is in integers: the same pixels on every machine."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from udd.data.depth import check_kind, deep_pixels, is_deep, is_read
from udd.errors import UserError

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is a warning, then an error of its own; this is ours:
LARGEST = 2**28  # pixels of an image; of one with 16 bits a channel, a quarter of that
# Pixels of one that is decoded while no other large one is, so that memory does not grow with the threads
LARGE = 2**25
ORIENTATION = 0x0112  # EXIF's tag; without it Pillow would make a copy
CHUNK = 2**22  # values that are scaled at a time
GREY = {"1", "L", "LA", "La"}
ONE_PICTURE = {"MPO", "ICO", "ICNS"}  # formats whose further frames are the first one again: previews, other sizes
BACKGROUNDS = {"white": 255, "black": 0}
_one_large = threading.Lock()


class Look(NamedTuple):
    """How the images of a data set become pixels."""

    grey: bool
    size: int | None = None
    background: str = "white"  # what stands behind transparent pixels
    span: tuple[int, int] | None = None  # of 16-bit images: the values that become 0 and 255


def probe(path: Path, deep: bool = False) -> tuple[bool, tuple[int, int]]:
    """Whether an image is grey, and its (width, height), from its header alone.

    Raises UserError if it is no image, is too large, or has more than 8 bits a channel; with `deep`, if it has no more.
    """
    try:
        with Image.open(path) as image:
            check(path, image, deep)
            return image.mode in GREY or image.mode.startswith("I"), image.size
    except UserError:
        raise
    except Exception as error:
        raise unreadable(path, error) from None


def check(path: Path, image: Image.Image, deep: bool) -> None:
    """Raise UserError for an image that is too large, has another depth than was declared, or is of a deep kind that
    is not read."""
    width, height = image.size
    most = LARGEST // 4 if deep else LARGEST
    if width * height > most:
        raise UserError(f"{path}: {width} x {height} pixels, expected at most {most:,} in all; make it smaller")
    if is_deep(image) and not deep:
        what = f"{path}: more than 8 bits a channel (mode {image.mode}); convert it to 8 bits"
        also = ", or set the data set's `depth: 16` (--depth 16) to have all scaled by their range"
        raise UserError(what + (also if is_read(image) else ""))
    if deep and not is_deep(image):
        raise UserError(
            f"{path}: 8 bits a channel or fewer (mode {image.mode}), but `depth: 16` is set; leave it out or convert it"
        )
    if deep:
        check_kind(path, image)


@contextmanager
def opened(path: Path, data: bytes, deep: bool) -> Iterator[Image.Image]:
    """The image in `data`, checked but not decoded; of large ones one at a time. Raises UserError for all
    that goes wrong with it."""
    try:
        image = Image.open(io.BytesIO(data))
        check(path, image, deep)
        with _one_large if image.width * image.height > LARGE else nullcontext():
            yield image
    except UserError:
        raise
    except Exception as error:  # decoders raise many kinds on foreign bytes, and all mean the same here
        raise unreadable(path, error) from None


def decode(path: Path, data: bytes, look: Look) -> tuple[np.ndarray, Counter[str]]:
    """The image in `data`, upright by its EXIF, as uint8 [K, H, W]; and how many further frames, or
    see-through images, it was.

    Raises UserError naming `path`, or the key `background`.
    """
    check_background(look.background)
    with opened(path, data, look.span is not None) as image:
        if look.span is None:
            return pixels(image, look)
        return scaled_pixels(path, data, look), Counter(frames=further_frames(image))


def check_background(found: object) -> None:
    """Raise UserError unless `background` is a colour that is known: whether or not an image is transparent."""
    if not isinstance(found, str) or found not in BACKGROUNDS:
        raise UserError(f"background: found {found!r}, expected {' or '.join(BACKGROUNDS)}; name one of them")


def deep_values(path: Path, data: bytes) -> np.ndarray:
    """The values of an image of 16 bits a channel, as uint16 [K, H, W]. Raises UserError naming `path`."""
    with opened(path, data, True):
        return deep_pixels(path, data)


def pixels(image: Image.Image, look: Look) -> tuple[np.ndarray, Counter[str]]:
    """`decode` for an image that is open."""
    found = Counter(frames=further_frames(image))
    image.load()
    image = upright(image)
    alpha = transparency(image)
    found["transparent"] = int(alpha is not None)
    mode = "L" if look.grey else "RGB"
    image = converted(image, mode) if alpha is None else flattened(image, alpha, mode, BACKGROUNDS[look.background])
    return np.atleast_3d(np.asarray(fit(image, look.size) if look.size else image)).transpose(2, 0, 1), found


def further_frames(image: Image.Image) -> int:
    """How many frames an image has beside the first, which is the one that is read."""
    return 0 if image.format in ONE_PICTURE else getattr(image, "n_frames", 1) - 1


def scaled_pixels(path: Path, data: bytes, look: Look) -> np.ndarray:
    """An image of 16 bits a channel as uint8 [K, H, W]: its values scaled by `look.span`, then fitted."""
    assert look.span is not None
    values = scaled(deep_pixels(path, data), look.span)
    values = values if look.grey or values.shape[0] == 3 else np.repeat(values, 3, 0)
    return fit_all(values[None], look.size)[0]


def scaled(values: np.ndarray, span: tuple[int, int]) -> np.ndarray:
    """uint16 values of any shape as uint8: the least and the greatest of `span` become 0 and 255,
    what is beyond them too."""
    low, high = span
    width = max(high - low, 1)
    table = (((np.clip(np.arange(65536), low, high) - low) * 510 + width) // (2 * width)).astype(np.uint8)  # rounded
    flat, found = values.reshape(-1), np.empty(values.size, np.uint8)
    for start in range(0, values.size, CHUNK):  # an index takes eight bytes
        found[start : start + CHUNK] = table[flat[start : start + CHUNK]]
    return found.reshape(values.shape)


def converted(image: Image.Image, mode: str) -> Image.Image:
    """The image in another mode; itself if it has that already, where Pillow would make a copy."""
    return image if image.mode == mode else image.convert(mode)


def transparency(image: Image.Image) -> Image.Image | None:
    """An image's opacity, 0 to 255, if any of it is transparent."""
    if not image.has_transparency_data:
        return None
    alpha = converted(image, "RGBA").getchannel("A")
    return alpha if alpha.getextrema()[0] != 255 else None


def flattened(image: Image.Image, alpha: Image.Image, mode: str, behind: int) -> Image.Image:
    """The image before a background of that grey: what lies hidden under transparent pixels is nobody's colour."""
    flat = Image.new(mode, image.size, (behind,) * len(mode))
    flat.paste(converted(image, "RGBA").convert(mode), mask=alpha)
    return flat


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; as it is if the EXIF is broken, which is no reason to refuse the pixels."""
    try:
        return image if image.getexif().get(ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)
    except Exception:
        return image


def unreadable(path: Path, error: Exception) -> UserError:
    """The one line for an image that does not decode."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file; put the image there or take its name away")
    if isinstance(error, Image.UnidentifiedImageError):
        return UserError(f"{path}: not an image; replace or remove it")
    return UserError(f"{path}: the image does not decode ({error}); replace or remove it")


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size` (bilinear, antialiased) and cut the centre square, as
    torchvision's transforms do."""
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
    return np.stack([np.asarray(fit(Image.fromarray(plane), size)) for plane in planes]).reshape(
        n, channels, size, size
    )
