"""Coresets of a multiple of IPC images a class (a variant's `times`), so that they stand beside sets which decode to as
many for each stored one.

`udd coresets --config JSON --manifest M --root DIR --out SET.safetensors`, of any coreset. The images are those of
udd.methods.coresets at that many images a class, so Random at IPC is part of Random at its multiples. A module of its
own, so that what is chosen at IPC is of the same code as before.
"""

from __future__ import annotations

from typing import Any

import torch

from udd.config.asked import asked, set_config_of
from udd.config.plan import images_a_class
from udd.data import Dataset, load
from udd.device import setup
from udd.errors import UserError
from udd.files import lock
from udd.methods import coresets
from udd.methods.coresets import parser
from udd.provenance import provenance
from udd.synthetic.sets import save


def multiplied(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a coreset of the same images whose IPC is that many."""
    return {key: value for key, value in config.items() if key != "times"} | {"ipc": images_a_class(config)}


def coreset(config: dict[str, Any], dataset: Dataset, device: torch.device) -> torch.Tensor:
    """The indices [C * IPC * times] of the chosen training images, class by class. Raises
    UserError if a class has fewer."""
    check(config, dataset)
    return coresets.coreset(multiplied(config), dataset, device)


def check(config: dict[str, Any], dataset: Dataset) -> None:
    """Raise UserError unless every class has IPC x times images."""
    counts, wanted = (
        torch.bincount(dataset.train_labels, minlength=len(dataset.classes)).tolist(),
        images_a_class(config),
    )
    smallest = min(range(len(counts)), key=counts.__getitem__)
    if "times" in config and wanted > counts[smallest]:
        name = f"{dataset.name}, class {dataset.classes[smallest]}: it has {counts[smallest]} training images"
        asked = f"variant {config['variant']} takes {config['times']} x IPC {config['ipc']} = {wanted}"
        raise UserError(
            f"{name}, but {asked}; lower IPC or times, or leave the cell out: "
            f"datasets.{dataset.name}.ipc{config['ipc']}.without"
        )


def run(argv: list[str] | None = None) -> None:
    """Choose one coreset and write it."""
    args = parser().parse_args(argv)
    config = set_config_of(asked(vars(args)))
    if "times" not in config:
        return coresets.run(argv)
    device = setup(args.device, args.threads)
    with lock(args.out):
        dataset = load(args.manifest, args.root).to(device)
        indices = coreset(config, dataset, device)
        save(args.out, coresets.as_set(indices, dataset, config, provenance("udd.methods.times", device)))
