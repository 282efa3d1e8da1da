"""MTT and DATM: `images_best.pt`, beside it `labels_best.pt` (hard, or logits as DATM learns them) and
`lr_best.pt`, a learned rate.

GeorgeCazenavette/mtt-distillation, distill.py: normalised as DC's, unless by ZCA; then `images_zca_best.pt` holds them
with the whitening undone.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from udd.errors import UserError
from udd.synthetic.formats import pickles
from udd.synthetic.formats.content import Found, Wanted, as_images, as_labels, normalised, unnormalised
from udd.synthetic.formats.statistics import by


def beside(path: Path, what: str) -> Path:
    """The file of labels or of the rate that belongs to one of images. Raises UserError if its name says none."""
    if "images" not in path.name:
        raise UserError(
            f"{path}: expected a name with `images` in it, as images_best.pt, beside which labels_best.pt lies"
        )
    return path.with_name(path.name.replace("images_zca", what).replace("images", what))


def read(path: Path, wanted: Wanted) -> Found:
    """The images, in [0, 1], labels and rate. Raises UserError if a file is another."""
    images = as_images(path, pickles.read(path), wanted)
    labels = as_labels(beside(path, "labels"), pickles.read(beside(path, "labels")), len(images), wanted)
    rate = beside(path, "lr")
    learned = pickles.read(rate) if rate.exists() else None
    if isinstance(learned, Tensor) and learned.numel() == 1:
        learned = float(learned)
    if learned is not None and not (isinstance(learned, float) and learned > 0):
        raise UserError(f"{rate}: expected one number above 0, the learned rate")
    return Found(
        unnormalised(images, by("dc", wanted)),
        labels,
        learned,
    )


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write the two or three files; `path` is that of the images, which are written last: where they are of this set,
    so is the rest."""
    images = normalised(found.images, by("dc", wanted))  # may be refused: first
    labels, rate = beside(path, "labels"), beside(path, "lr")
    pickles.write(labels, found.labels)
    if found.rate is None:
        rate.unlink(missing_ok=True)  # of another set that stood here, if that had one
    else:
        pickles.write(rate, torch.tensor(found.rate))
    pickles.write(path, images)
