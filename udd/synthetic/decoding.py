"""What a set's pixels give to train on: its images, and their windows enlarged (Sec. 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from udd.synthetic.regions import Windows, crop_resize, windows
from udd.synthetic.sets import SyntheticSet


def decoded(images: Tensor, labels: Tensor, chosen: Tensor, among: Windows) -> tuple[Tensor, Tensor]:
    """The images (where they are training images themselves) and their chosen windows, enlarged. int64 [n, P].

    Gives [m, K, H, W] and labels [m] or [m, C].
    """
    views = crop_resize(images.repeat_interleave(chosen.shape[1], 0), chosen.flatten(), among)
    of = labels.repeat_interleave(chosen.shape[1], 0)
    return (torch.cat([images, views]), torch.cat([labels, of])) if among.whole else (views, of)


def every(made: SyntheticSet) -> tuple[Tensor, Tensor]:
    """The images of a set with all of their candidate windows: [m, K, H, W], labels [m] or [m, C]. A set
    without windows is its images."""
    count, images = len(made.windows), made.images
    if not count:
        return images, made.labels
    among = windows(made.windows, images.shape[-1], made.metadata["whole"], images)
    alone = len(images) if among.whole else 0
    found = images.new_empty(alone + count * len(images), *images.shape[1:])
    found[:alone] = images[:alone]
    views = found[alone:].view(len(images), count, *images.shape[1:])
    for window in range(count):  # one after another: all at once would take several times what is given back
        views[:, window] = crop_resize(images, torch.full((len(images),), window, device=images.device), among)
    of = made.labels.repeat_interleave(count, 0)
    return found, torch.cat([made.labels, of]) if among.whole else of
