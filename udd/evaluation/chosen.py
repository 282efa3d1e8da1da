"""Views that change from epoch to epoch: windows that the network searches anew as it trains, as the paper has it
(Secs. 2.1, 2.3), or windows at random, the control.

Imported where an evaluation asks for them: an edit of a search policy measures no other set again (udd.evaluation).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from udd.evaluation.views import Views, own_section
from udd.methods import policies
from udd.networks.architectures import Network
from udd.synthetic.decoding import decoded
from udd.synthetic.regions import Windows, windows
from udd.synthetic.sets import SyntheticSet

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
