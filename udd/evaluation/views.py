"""What a network trains on in an epoch, S^train (Secs. 2.1, 2.3): the images of a set and the views
that their windows give.

A set stores its pixels and the candidate windows. Which windows join the whole images is a reading of the paper, `all`,
`searched`, `random` or `none` (the key evaluate.views); what each comes to is in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from udd.methods import policies
from udd.networks.architectures import Network
from udd.synthetic.decoding import decoded, every
from udd.synthetic.regions import Windows, windows
from udd.synthetic.sets import SyntheticSet

Views = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # a set's images and labels -> what an epoch trains on
Choose = Callable[[Tensor, Tensor], Tensor]  # images [n, K, H, W], labels [n] -> window numbers int64 [n, P]


def at_random(selected: int, count: int, generator: torch.Generator) -> Choose:
    """Choose `selected` of `count` windows of each image, any as likely."""

    def choose(images: Tensor, _labels: Tensor) -> Tensor:
        return torch.rand(len(images), count, generator=generator, device=images.device).argsort(1)[:, :selected]

    return choose


def searched(
    network: Network, among: Windows, mean: Tensor, std: Tensor, own: dict[str, Any], generator: torch.Generator
) -> Choose:
    """Choose the windows that `network` uses least as it is now, by the set's own search policy (Sec. 2.3)."""

    def choose(images: Tensor, labels: Tensor) -> Tensor:
        with torch.enable_grad():
            found = policies.scores(network, images, labels, among.boxes, mean, std, own, generator)
        return policies.lowest(policies.ranks(found), own)

    return choose


def own_section(made: SyntheticSet) -> dict[str, Any]:
    """What a set's configuration says of its windows; every one is taken of a set whose method searches none."""
    return made.metadata["config"].get("udd", {"policy": "all"})


def fixed(made: SyntheticSet, reading: str) -> tuple[Tensor, Tensor]:
    """What every epoch trains on, or what its views are made of where they change."""
    alone = reading == "none" or changes(made, reading)
    return (made.images, made.labels) if alone else every(made)


def changes(made: SyntheticSet, reading: str) -> bool:
    """Whether the views of a set change from epoch to epoch by this reading: only where there is a choice of
    windows."""
    return reading in ("searched", "random") and len(made.windows) > 0 and not policies.takes_all(own_section(made))


def anew(made: SyntheticSet, reading: str, network: Network, generator: torch.Generator) -> Views:
    """The views of an epoch: each image's windows, chosen anew by the network as it is, or at random."""
    own, like = own_section(made), made.images.to(generator.device)
    among = windows(made.windows, made.images.shape[-1], made.metadata["whole"], like)
    mean, std = (torch.tensor(made.metadata[name], device=generator.device) for name in ("mean", "std"))
    random = reading == "random"
    choose = (
        at_random(own["selected"], len(made.windows), generator)
        if random
        else searched(network, among, mean, std, own, generator)
    )
    return lambda images, labels: decoded(images, labels, choose(images, labels), among)
