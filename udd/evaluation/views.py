"""What a network trains on in an epoch, S^train (Secs. 2.1, 2.3): the images of a set and the views
that their windows give.

A set stores its pixels and the candidate windows. Which windows join the whole images is a reading of the paper, `all`,
`searched`, `random` or `none` (the key evaluate.views); what each comes to is in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from udd.config.sections import takes_all
from udd.synthetic.decoding import every
from udd.synthetic.sets import SyntheticSet

Views = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # a set's images and labels -> what an epoch trains on


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
    return reading in ("searched", "random") and len(made.windows) > 0 and not takes_all(own_section(made))
