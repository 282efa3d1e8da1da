"""Synthetic sets in other people's files: read into ours, and written from it. A file a family, with the
source of what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from udd.errors import UserError
from udd.files import sha256, with_name
from udd.synthetic.decoding import every
from udd.synthetic.formats import arrays, dc, ddranking, folder, idc, mtt, parquet
from udd.synthetic.formats.content import Found, Wanted, as_images, as_labels, fitting, say, say_order
from udd.synthetic.regions import grid_boxes
from udd.synthetic.sets import SyntheticSet


class Format(NamedTuple):
    """How a format is read and written, and what it is."""

    read: Callable[[Path, Wanted], Found]
    write: Callable[[Path, Found, Wanted], None]
    about: str


FORMATS = {
    "idc": Format(
        idc.read, idc.write, "data.pt of IDC, Acc-DD, DREAM, DANCE, NCFM: [images, targets], undecoded (--factor)"
    ),
    "dc": Format(dc.read, dc.write, "res_*.pt of DC, DSA, DM, DC-BENCH"),
    "mtt": Format(mtt.read, mtt.write, "images_best.pt of MTT, DATM, with labels_best.pt and lr_best.pt beside it"),
    "frepo": Format(arrays.read, arrays.write, "npz of FRePo: image, label (--normalised)"),
    "kip": Format(arrays.read, arrays.write_kip, "npz of KIP: images, labels (--normalised)"),
    "ddranking": Format(ddranking.read, ddranking.write, "images.pt and labels.pt of DD-Ranking, or a folder"),
    "folder": Format(folder.read, folder.write, "a folder of PNG files a class"),
    "parquet": Format(
        parquet.read, parquet.write, "a parquet file as on the Hugging Face Hub: image, label (udd[hub])"
    ),
    "npz": Format(arrays.read_bytes, arrays.write_bytes, "MedMNIST's layout: train_images, train_labels, bytes"),
}
BYTES = ("folder", "parquet", "npz")  # formats of bytes, which nothing normalises
NAMED = ("folder", "parquet")  # formats that name classes, and do not only number them
FACTOR = {"idc": 2}  # as published; others store what networks see


def imported(path: Path, name: str, wanted: Wanted, anyway: bool = False) -> SyntheticSet:
    """A file of a format as a set. Raises UserError if it is another, of another data set, or (but for
    `anyway`) in another convention."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    check_normalisation(path, name, wanted)
    path = with_name(path)
    found = FORMATS[name].read(path, wanted)
    if name not in NAMED:
        say_order(path, wanted.classes)
    return as_set(path, name, wanted, found, anyway)


def of_tensors(
    name: str, images: object, labels: object, rate: float | None, wanted: Wanted, anyway: bool = False
) -> SyntheticSet:
    """Tensors as a set that is called `name`: images [n, K, H, W], floats in [0, 1] or bytes, labels [n] or [n, C], and
    a learned rate. Raises UserError as `imported` does."""
    path, (images, labels) = Path(name), (copied(each) for each in (images, labels))
    pixels = as_images(path, images, wanted)
    made = as_set(path, "tensors", wanted, Found(pixels, as_labels(path, labels, len(pixels), wanted), rate), anyway)
    return made._replace(metadata=made.metadata | {"config": made.metadata["config"] | {"variant": name}})


def copied(value: object) -> object:
    """A tensor's own copy on the CPU: who gave it goes on changing it."""
    return value.detach().to("cpu", copy=True) if isinstance(value, torch.Tensor) else value


def as_set(path: Path, name: str, wanted: Wanted, found: Found, anyway: bool) -> SyntheticSet:
    """What was found as a set, with windows where its images are grids. Raises UserError (but for `anyway`) in another
    convention."""
    images, factor = fitting(path, found.images, wanted, anyway), wanted.factor
    say_absent(path, found.labels, wanted.classes)
    boxes = grid_boxes(images.shape[-1], factor) if factor > 1 else torch.zeros(0, 4, dtype=torch.int64)
    about = metadata(path, name, wanted, found)
    if anyway:
        about["provenance"]["imported"] |= {"anyway": True}
    return SyntheticSet(images, found.labels, boxes, about)


def say_absent(path: Path, labels: torch.Tensor, classes: Sequence[str], shown: int = 5) -> None:
    """Say of which classes a file with hard labels has no image."""
    here = set(labels.tolist()) if labels.ndim == 1 else range(len(classes))
    absent = [name for label, name in enumerate(classes) if label not in here]
    if absent:
        more = f" and {len(absent) - shown} more" if len(absent) > shown else ""
        say(f"{path}: no image of class {', '.join(absent[:shown])}{more}")


def check_normalisation(path: Path, name: str, wanted: Wanted) -> None:
    """Raise UserError where it was said how a format of bytes is normalised."""
    if name in BYTES and wanted.normalised is not None:
        raise UserError(f"{path}: --as {name} is bytes, which are not normalised; leave --normalised and --zca out")


def metadata(path: Path, name: str, wanted: Wanted, found: Found) -> dict[str, Any]:
    """What an imported set says of itself."""
    hard = found.labels if found.labels.ndim == 1 else found.labels.argmax(1)
    ipc = int(torch.bincount(hard, minlength=len(wanted.classes)).max())
    config = {"method": "imported", "variant": path.stem, "ipc": ipc, "seed": 0, "dataset": {"name": wanted.dataset}}
    origin = {"file": path.name, "format": name} | ({"sha256": sha256(path)} if path.is_file() else {})
    about = {
        "dataset": wanted.dataset,
        "classes": wanted.classes,
        "mean": wanted.mean,
        "std": wanted.std,
        "whole": wanted.factor == 1,
    }
    return (
        about
        | {"config": config, "provenance": {"imported": origin}}
        | ({} if found.rate is None else {"rate": found.rate})
    )


def grid_factor(made: SyntheticSet) -> int:
    """The factor of IDC's grid that a set's windows are; 1 if it has none, 0 if they are others."""
    if not len(made.windows):
        return 1
    factor = round(len(made.windows) ** 0.5)
    grid = grid_boxes(made.images.shape[-1], factor)
    return factor if not made.metadata["whole"] and torch.equal(grid, made.windows) else 0


def exported(made: SyntheticSet, path: Path, name: str, wanted: Wanted) -> int:
    """Write a set in a format, decoded where that cannot hold its windows. Returns how many images are written. Raises
    UserError where it cannot."""
    check_normalisation(path, name, wanted)
    factor = grid_factor(made)
    undecoded = factor == 1 or name == "idc" and factor > 1
    images, labels = (made.images, made.labels) if undecoded else every(made)
    order = (labels if labels.ndim == 1 else labels.argmax(1)).argsort(stable=True)  # class by class
    FORMATS[name].write(path, Found(images[order], labels[order], made.metadata.get("rate")), wanted)
    if not undecoded:
        say(f"{path}: {len(made.images)} images are written decoded, as the {len(images)} that networks are trained on")
    if undecoded and factor > 1:
        say(f"{path}: images are {factor} x {factor} grids; read them with --factor {factor}")
    elif name in FACTOR:
        say(f"{path}: images are no grids, and nothing in such a file says so; read them with --factor 1")
    return len(images)
