"""UDD, Algorithm 1: distil a data set into a few synthetic images a class by mining their underutilised regions.

Lines 2, 9 and 10, random networks that train on real data (Eq. 6), are udd.proxies.fresh; the loop is udd.runs.loop.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods import PROXIES, policies
from udd.methods.descent import State, descend, end_network, started
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.regions import Windows, corner_windows, training_pairs
from udd.synthetic.sets import SyntheticSet

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = PROXIES


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """Line 1: random real images, or grids of down-sized ones (Sec. 2.1)."""
    return started(initial.start(config, data, generator))


def candidates(images: Tensor, own: Config) -> Windows:
    """The candidate windows of the images (Sec. 2.2), which may be training images themselves (Sec. 2.3)."""
    return corner_windows(images.shape[-1], own["scales"], own["decode"] == "regions", images)


def training_set(images: Tensor, meeting: Meeting, own: Config) -> tuple[Tensor, Windows]:
    """S_c^train of every class (line 6): search, and pair images with their underutilised windows. int64
    [C, Q, 2] (image, window)."""
    among = candidates(images, own)
    # [C, B, N]
    ranks = policies.search(meeting.network, images, among.boxes, meeting.mean, meeting.std, own, meeting.generator)
    return training_pairs(policies.lowest(ranks, own), among, own["max_pairs"], meeting.generator), among


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """Lines 4 to 8: one descent step on the images of all classes."""
    own = config["udd"]
    pairs, among = training_set(state.images, meeting, own)
    return descend(state, pairs, among, own, meeting, config)


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: S, labels, candidate windows, metadata."""
    among = candidates(state.images, config["udd"])
    return initial.as_set(state.images, among.boxes, among.whole, data, config, provenance)
