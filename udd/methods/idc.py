"""IDC, efficient parameterisation (Kim et al. 2022): an image is a grid of factor x factor small ones, each
enlarged into a training image.

Gradients are matched as UDD matches them (udd.methods.descent), and the pixels' rate decays as UDD's, so that the
two are paired; the authors' code keeps it constant (`image_lr_decay_at: []`). `cfc: true` adds the contrastive
loss of UDD (its Table 4).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from udd.data import Dataset
from udd.methods import PROXIES
from udd.methods.descent import State, descend, end_network, started
from udd.proxies.meeting import Meeting, Scalars
from udd.synthetic import initial
from udd.synthetic.regions import Windows, all_windows, grid_windows, training_pairs
from udd.synthetic.sets import SyntheticSet

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = PROXIES


def begin(config: Config, data: Dataset, generator: torch.Generator) -> State:
    """Grids of down-sized real images (`init: mix`), as published, or the start that the configuration names."""
    return started(initial.start(config, data, generator))


def training_set(images: Tensor, meeting: Meeting, config: Config, own: Config) -> tuple[Tensor, Windows]:
    """Every image's small ones (uniform multi-formation), at most `max_pairs` of a class. int64
    [C, Q, 2] (image, window)."""
    among = grid_windows(images.shape[-1], config["distill"]["factor"], images)
    return training_pairs(all_windows(images, among), among, own["max_pairs"], meeting.generator), among


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes, each trained on as its small ones."""
    own = config["idc"]
    pairs, among = training_set(state.images, meeting, config, own)
    return descend(state, pairs, among, own, meeting, config)


def finish(state: State, data: Dataset, config: Config, provenance: dict[str, Any]) -> SyntheticSet:
    """The set as it is stored: images, labels, the windows of the grid, metadata."""
    among = grid_windows(state.images.shape[-1], config["distill"]["factor"], state.images)
    return initial.as_set(state.images, among.boxes, among.whole, data, config, provenance)
