"""Images of more than 8 bits a channel: known by their header, since Pillow would keep
the upper 8 bits and say nothing."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from udd.errors import UserError

SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # the other order of a value's two bytes
WORDS = re.compile(r";16([BLN])$")  # how Pillow names raw data of two bytes a channel; BGR;16 has 5 or 6 bits
HEAD = 4096  # bytes in which the header of a JPEG 2000 or AVIF file says its depth


def raw_modes(image: Image.Image) -> list[str]:
    """How Pillow will unpack an image that is not decoded yet."""
    return [part for tile in getattr(image, "tile", []) for part in arguments(tile) if isinstance(part, str)]


def arguments(tile: Any) -> tuple[Any, ...]:
    """A tile's arguments to its decoder, of which Pillow writes a single one without a tuple."""
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def is_deep(image: Image.Image) -> bool:
    """Whether an image, not decoded yet, has more than 8 bits a channel."""
    if image.mode.split(";")[0] in ("I", "F") or any(map(WORDS.search, raw_modes(image))):
        return True
    if image.format in ("JPEG2000", "AVIF"):
        return bits_of_codestream(image) > 8
    tiles = getattr(image, "tile", [])
    return any(tile[0] == "SGI16" or (tile[0].startswith("ppm") and arguments(tile)[-1] > 255) for tile in tiles)


def bits_of_codestream(image: Image.Image) -> int:
    """The bits a channel that a JPEG 2000's SIZ segment, or an AVIF's `pixi` box, states; 8 where there is none."""
    stream: Any = getattr(image, "fp", None)
    if stream is None:
        return 8
    place = stream.tell()
    stream.seek(0)
    head = stream.read(HEAD)
    stream.seek(place)
    if (at := head.find(b"\xff\x4f\xff\x51")) >= 0 and len(head) > at + 42:
        return (head[at + 42] & 127) + 1
    if (at := head.find(b"pixi")) >= 0 and len(head) > at + 9:
        return head[at + 9]
    return 8


def is_read(image: Image.Image) -> bool:
    """Whether all bits of a deep image, not decoded yet, can be had: whole numbers, grey or RGB, no transparency."""
    words = image.mode == "RGB" and all(map(WORDS.search, raw_modes(image)[:1] or [""]))
    return "transparency" not in image.info and (words or image.mode.startswith("I"))


def check_kind(path: Path, image: Image.Image) -> None:
    """Raise UserError for a deep image, not decoded yet, of which not all bits can be had."""
    if not is_read(image):
        raise UserError(
            f"{path}: {image.format} of mode {image.mode} is not read at more than 8 bits; "
            "convert it to PNG or TIFF of 16 bits, grey or RGB, without transparency"
        )


def check_values(path: Path, low: int, high: int) -> None:
    """Raise UserError unless values from `low` to `high` are of 16 bits."""
    if low < 0 or high > 65535:
        raise UserError(f"{path}: values from {low} to {high}; expected 0 to 65535, as 16 bits have it")


def deep_pixels(path: Path, data: bytes) -> np.ndarray:
    """The values of an image of 16 bits a channel, upright, as uint16 [K, H, W], K = 1 or 3. Raises
    UserError for other kinds."""
    image = Image.open(io.BytesIO(data))
    check_kind(path, image)
    if image.mode == "RGB":
        return colours(data)
    values = np.asarray(ImageOps.exif_transpose(image))
    check_values(path, int(values.min()), int(values.max()))
    return values.astype(np.uint16)[None]


def colours(data: bytes) -> np.ndarray:
    """Pillow has no mode for 16-bit RGB: it unpacks the upper byte of each value, and, told the
    other byte order, the lower one."""
    image, other = (Image.open(io.BytesIO(data)) for _ in range(2))
    other.tile = [swapped(tile) for tile in other.tile]
    upper, lower = (np.asarray(ImageOps.exif_transpose(half), np.uint16) for half in (image, other))
    return (upper << 8 | lower).transpose(2, 0, 1)


def swapped(tile: Any) -> Any:
    """The tile with its values' bytes in the other order."""
    parts = tuple(
        WORDS.sub(lambda found: f";16{SWAPPED[found[1]]}", part) if isinstance(part, str) else part
        for part in arguments(tile)
    )
    return tile._replace(args=parts if isinstance(tile[3], tuple) else parts[0])
