"""MTT and DATM: `images_best.pt`, beside it `labels_best.pt` (hard, or logits as DATM learns them) and
`lr_best.pt`, a learned rate.

GeorgeCazenavette/mtt-distillation, distill.py: normalised as DC's, unless by ZCA; then `images_zca_best.pt` holds them
with the whitening undone. NUS-HPC-AI-Lab/DATM, distill/DATM.py: labels are logits, of which its loss takes
the softmax.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from udd.errors import UserError
from udd.synthetic.formats import pickles
from udd.synthetic.formats.content import Found, Wanted, as_images, as_labels, normalised, say, unnormalised
from udd.synthetic.formats.statistics import by

LEAST = 1e-30  # a probability of 0 has no logarithm


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
    return Found(unnormalised(images, by("dc", wanted)), labels, learned(rate) if rate.exists() else None)


def learned(path: Path) -> float:
    """The rate in a file of its own. Raises UserError for what is none."""
    found = pickles.read(path)
    if isinstance(found, Tensor | np.generic) and math.prod(found.shape) == 1:
        found = float(found.item())
    if not (isinstance(found, float) and 0 < found < math.inf):
        raise UserError(f"{path}: expected one number above 0, the learned rate")
    return found


def refuse_others(path: Path, labels: Path, rate: Path, found: Found) -> None:
    """Raise UserError where labels or a rate of another set stand, which would be lost, or taken for this one's."""
    others = [each for each in (labels, rate) if each.exists() and not path.exists()]
    others += [rate] if found.rate is None and rate.exists() else []
    if others:
        raise UserError(
            f"{others[0]}: stands there already, of another set, or of an export that was cut; move it, or give "
            "another name"
        )


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write the two or three files; `path` is that of the images, which are written last: where they are of this set,
    so is the rest. Soft labels go as logits: DATM and DD-Ranking take the softmax of what they read."""
    images = normalised(found.images, by("dc", wanted))  # may be refused: first
    labels, rate = beside(path, "labels"), beside(path, "lr")
    refuse_others(path, labels, rate, found)
    soft = found.labels.ndim > 1
    pickles.write(labels, found.labels.clamp(min=LEAST).log() if soft else found.labels)
    if soft:
        say(f"{labels}: probabilities are written as their logarithms: DATM and DD-Ranking take the softmax")
    if found.rate is not None:
        pickles.write(rate, torch.tensor(found.rate))
    pickles.write(path, images)
