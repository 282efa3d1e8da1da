"""Sets that go out in other people's formats and come back: small ones; what is said of a file beside its format."""

from pathlib import Path

import torch

from udd.synthetic.formats import Wanted, exported, imported
from udd.synthetic.sets import SyntheticSet

CLASSES = ["cat", "dog", "ant"]
RGB = Wanted("cifar10", CLASSES, (3, 8, 8), [0.5] * 3, [0.29] * 3)
GREY = Wanted("mnist", CLASSES, (1, 8, 8), [0.5], [0.29])
HALF = 0.5 / 255 + 1e-6  # what rounding to a byte changes
PLACE = {
    "idc": "data.pt",
    "dc": "res_DM_X_ConvNet_1ipc.pt",
    "mtt": "images_best.pt",
    "frepo": "a.npz",
    "kip": "b.npz",
    "npz": "c.npz",
}
PLACE |= {"ddranking": "images.pt", "folder": "images", "parquet": "train-00000-of-00001.parquet"}
BYTES = ("folder", "npz", "parquet")
TOLD = {"frepo": ([0.0], [1.0]), "kip": ([0.3], [0.2])}  # what no such file says of itself
GOOD, LABELS = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(3)), torch.arange(3)


def a_set(
    want: Wanted, labels: torch.Tensor, boxes: torch.Tensor, whole: bool, seed: int = 0, **more: object
) -> SyntheticSet:
    images = torch.rand(len(labels), *want.shape, generator=torch.Generator().manual_seed(seed))
    metadata = {
        "dataset": want.dataset,
        "classes": want.classes,
        "mean": want.mean,
        "std": want.std,
        "whole": whole,
        "config": {"ipc": 2},
    } | more
    return SyntheticSet(images, labels, boxes, metadata)


def told(name: str, want: Wanted) -> Wanted:
    """What is said of a file beside its format."""
    if name not in TOLD:
        return want
    mean, std = TOLD[name]
    return want._replace(normalised=(mean * want.shape[0], std * want.shape[0]))


def sent(made: SyntheticSet, name: str, folder: Path, want: Wanted) -> SyntheticSet:
    """A set that went out in a format and came back."""
    path = folder / PLACE[name]
    assert exported(made, path, name, told(name, want)) > 0
    return imported(path, name, told(name, want))
