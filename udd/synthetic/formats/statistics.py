"""By which mean and standard deviation the field's codes normalise their images."""

from __future__ import annotations

import re

from udd.errors import UserError
from udd.synthetic.formats.content import Normalisation, Wanted

Statistics = tuple[list[float], list[float]]

CIFAR: Statistics = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010])
# utils.py of VICO-UoE/DatasetCondensation (DC, DSA, DM), and of GeorgeCazenavette/mtt-distillation after it.
DC: dict[str, Statistics] = {
    "mnist": ([0.1307], [0.3081]),
    "fashionmnist": ([0.2861], [0.3530]),
    "svhn": ([0.4377, 0.4438, 0.4728], [0.1980, 0.2010, 0.1970]),
    "cifar10": CIFAR,
    "cifar100": ([0.5071, 0.4866, 0.4409], [0.2673, 0.2564, 0.2762]),
    "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}
DD_RANKING = DC | {"cifar100": CIFAR}  # NUS-HPC-AI-Lab/DD-Ranking
CONVENTIONS = {"dc": DC, "ddranking": DD_RANKING}


def by(convention: str, wanted: Wanted) -> Normalisation:
    """How a file's images are normalised: as was said, else by a convention. Raises UserError if it knows none for the
    data set, whose own mean and deviation are then advised."""
    own = " ".join(",".join(f"{value:.4g}" for value in each) for each in (wanted.mean, wanted.std))
    return wanted.normalised or statistics(convention, wanted.dataset, len(wanted.mean), own)


def statistics(convention: str, dataset: str, channels: int, own: str = "MEAN,.. STD,..") -> Statistics:
    """Mean and deviation of a data set by a convention; its name may go on after the kind (cifar10-40k). Raises
    UserError if none is known, or that of other channels. own: the data set's, as --normalised takes them."""
    known = CONVENTIONS[convention]
    # Hyphens between two digits stay: cifar10-0 is no CIFAR-100
    plain = re.sub(r"(?<![\d-])-+|-+(?![\d-])", "", dataset.lower())
    kind = max((name for name in known if plain.startswith(name)), key=len, default=None)
    if kind is None:
        raise UserError(f"{convention}: no mean and deviation known for {dataset}; give them: --normalised {own}")
    if (found := len(known[kind][0])) != channels:
        raise UserError(
            f"{convention}: mean and deviation of {kind} are of {found} channels, {dataset} has {channels}; give its "
            f"own: --normalised {own}"
        )
    return known[kind]
