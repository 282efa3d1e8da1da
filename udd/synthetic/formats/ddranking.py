"""DD-Ranking: decoded images and labels as tensors, normalised by CIFAR-10's mean and deviation also for
CIFAR-100, or a folder of images.

NUS-HPC-AI-Lab/DD-Ranking, metrics/aug_robust.py: a folder is read by torchvision's ImageFolder, which numbers classes
by the alphabet; `images.pt` [n, K, H, W] and `labels.pt`, hard [n] or soft [n, C], class by class, and `lr.pt` where a
rate was learned (demo_soft.py).
"""

from __future__ import annotations

from pathlib import Path

from udd.synthetic.formats import folder, mtt, statistics
from udd.synthetic.formats.content import Found, Wanted


def by(wanted: Wanted) -> Wanted:
    """What is wanted, with DD-Ranking's normalisation."""
    return wanted._replace(normalised=statistics.by("ddranking", wanted))


def read(path: Path, wanted: Wanted) -> Found:
    """Images in [0, 1], labels and rate, of a folder or of images.pt. Raises UserError if a file is another."""
    return folder.read(path, wanted) if path.is_dir() else mtt.read(path, by(wanted))


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write images.pt, labels.pt and, of a set that has a rate, lr.pt; at a path without a suffix a folder, whose class
    folders are numbers, so that their order is the classes'."""
    if not path.suffix:
        return folder.write(path, found, wanted, numbered=True)
    mtt.write(path, found, by(wanted))
