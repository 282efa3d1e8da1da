"""PNG files by class, 8 bits a channel: what any image viewer, torchvision's ImageFolder and the Hugging
Face `imagefolder` read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from udd.data.images import check
from udd.errors import UserError
from udd.synthetic.formats.content import (
    Found,
    Wanted,
    as_bytes,
    as_images,
    hard,
    only_numbers,
    say,
    say_order,
    say_taken,
)


def folder_name(name: str) -> str:
    """A class's name as a folder has it (Fashion-MNIST has a class T-shirt/top)."""
    return name.replace("/", "_")


def folders_of_classes(path: Path, wanted: Wanted) -> list[Path]:
    """The folders of all classes: all by their names, or else all by their numbers, since a class may be called by
    another's number, or, where the data set has no names but numbers, all in the alphabet's order. Raises UserError
    unless these are all folders that there are, one a class."""
    here = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    numbered = {int(each.name): each for each in reversed(here) if each.name.isdecimal()}
    named = {label: path / folder_name(name) for label, name in enumerate(wanted.classes)}
    for found in ({label: each for label, each in named.items() if each.is_dir()}, numbered):
        if found.keys() >= named.keys():
            if found is numbered:
                say_order(path, wanted.classes)
            return without_others(path, here, [found[label] for label in named], wanted)
    if only_numbers(wanted.classes) and len(here) == len(named) and not numbered:
        say_taken(path, [each.name for each in here], wanted)
        return here
    label = next((at for at, each in named.items() if not each.is_dir() and at not in numbered), None)
    if label is None:
        raise UserError(f"{path}: some folders have the names of classes and some their numbers; name all in one way")
    names = " or ".join(dict.fromkeys((named[label].name, str(label))))
    raise UserError(f"{path}: no folder {names}; expected one for each of the {len(named)} classes")


def without_others(path: Path, here: Sequence[Path], classes: list[Path], wanted: Wanted) -> list[Path]:
    """The classes' folders. Raises UserError if others are there: of another data set, or a class's second."""
    if others := sorted({each.name for each in here} - {each.name for each in classes}):
        raise UserError(
            f"{path}: folders {', '.join(others[:3])}{', ...' if len(others) > 3 else ''} beside those of the "
            f"{len(classes)} classes of {wanted.dataset}; move them, or name its data set"
        )
    return classes


def pixels(file: Path, channels: int, stream: BytesIO | None = None) -> torch.Tensor:
    """One image, uint8 [K, H, W], of a file, or of a stream that is called so. Raises UserError if it is none, or has
    more than 8 bits a channel."""
    try:
        with Image.open(stream or file) as image:
            check(file, image, deep=False)
            found = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{file}: not an image that can be read ({' '.join(str(error).split())[:100]})") from None
    return torch.from_numpy(found.copy()).view(*found.shape[:2], channels).movedim(-1, 0)


def png(image: torch.Tensor) -> bytes:
    """An image uint8 [K, H, W] as a file."""
    kept = BytesIO()
    Image.fromarray(image.movedim(0, -1).squeeze(-1).numpy()).save(kept, "PNG")
    return kept.getvalue()


def read(path: Path, wanted: Wanted) -> Found:
    """The images of all classes. Raises UserError if one is missing, or an image has another size."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; expected one with a folder a class")
    images, labels = [], []
    for label, folder in enumerate(folders_of_classes(path, wanted)):
        files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
        found = [pixels(file, wanted.shape[0]) for file in files]
        strange = [
            (file, each) for file, each in zip(files, found, strict=True) if tuple(each.shape) != tuple(wanted.shape)
        ]
        if strange:
            raise UserError(
                f"{strange[0][0]}: {list(strange[0][1].shape)} [K, H, W], those of {wanted.dataset} are "
                f"{list(wanted.shape)}"
            )
        images += found
        labels += [label] * len(found)
    if not images:
        raise UserError(f"{path}: no images in its class folders")
    return Found(as_images(path, torch.stack(images), wanted), torch.tensor(labels))


def write(path: Path, found: Found, wanted: Wanted, numbered: bool = False) -> None:
    """Write PNGs, rounded to 8 bits, into a new folder, by the classes' names or numbers. Raises UserError if there is
    something at `path`, labels are soft, or a class's name is no folder's own."""
    if path.exists():
        raise UserError(f"{path}: there already; name a new folder")
    labels = hard(path, found).tolist()
    names = [f"{label:04d}" if numbered else folder_name(name) for label, name in enumerate(wanted.classes)]
    unfit = next((name for name in names if name in ("", ".", "..") or names.count(name) > 1), None)
    if unfit is not None:
        raise UserError(f"{path}: no folder can be called {unfit!r} for one class alone; --as ddranking numbers them")
    if names != sorted(names):
        say(
            f"{path}: torchvision's ImageFolder numbers folders by the alphabet, not as {wanted.dataset} its classes; "
            "--as ddranking numbers them"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for name in names:  # also of a class without an image: whoever counts folders counts classes
            (part / name).mkdir()
        for number, (image, label) in enumerate(zip(as_bytes(found.images), labels, strict=True)):
            (part / names[label] / f"{number:05d}.png").write_bytes(png(image))
        part.chmod(0o755)
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
