"""The Python interface: the accuracy of fresh networks trained on a set."""

from __future__ import annotations

import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from udd.config import params as parameters
from udd.config import plan
from udd.data import Dataset
from udd.device import setup
from udd.errors import UserError
from udd.evaluation import code
from udd.evaluation.accuracy import TrainingSet, trained
from udd.evaluation.rates import rated
from udd.evaluation.records import result
from udd.evaluation.views import changes, fixed
from udd.files import check_writable
from udd.given import check_belongs, check_data, check_file, check_made, plain, whole
from udd.interface import declare
from udd.interim import Interim
from udd.provenance import digest_of, provenance
from udd.reports.names import ARCHITECTURES
from udd.reports.statistics import as_text
from udd.surroundings import set_aside
from udd.synthetic.sets import SyntheticSet

__all__ = ["evaluate"]

BY_CLASS = "udd.evaluation.by_class"


def recipe_of(made: SyntheticSet, data: Dataset, keys: dict[str, Any]) -> dict[str, Any]:
    """The recipe of section `evaluate` for a set of this data set: the defaults <- what the data set says <- keys."""
    params = parameters.load([parameters.DEFAULTS])
    declare(params, data)
    params["evaluate"] |= keys
    parameters.check(params, "evaluate")
    params["variants"]["udd"] = {"evaluate": keys}  # before what the data set says
    recipe = plan.merged(params, "evaluate", plan.Cell(data.name, made.metadata["config"]["ipc"], "udd"))
    return rated(recipe, made.metadata, "the set")


class Accuracy(NamedTuple):
    """Test accuracies in %, one a network, after the last epoch; the architecture, the SGD steps of each network; and
    the best accuracies of the check-ups on the way, which is what many papers report: chosen on test images, so only
    for a comparison with theirs. by_class: each network's accuracy on the test images of each class,
    `[networks][C]`."""

    values: list[float]
    architecture: str
    steps: int
    best: list[float]
    by_class: list[list[float]] = []

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """Their sample standard deviation; None of one network, which says nothing of it."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        return f"{as_text(self.values)} % ({ARCHITECTURES[self.architecture]}, n = {len(self.values)})"


def as_distilled(data: Dataset, *sets: SyntheticSet) -> Dataset:
    """A data set whose images augmentation mirrors no more than those of any of these sets were."""
    return data._replace(flip=data.flip and all(made.metadata.get("flip", True) for made in sets))


def found_of(config: dict[str, Any], data: Dataset, examples: TrainingSet, place: torch.device) -> str:
    """The digest of all that a network's result is found of, but for its number."""
    by = {key: value for key, value in provenance(BY_CLASS, place).items() if key not in ("git", "threads")}
    words = [config, code(config), by, data.name, list(data.mean), list(data.std)]
    of = (examples.images, examples.labels, data.test_images, data.test_labels)
    return digest_of(json.dumps(words, sort_keys=True, default=str), *of)


def opened(checkpoint: str | Path | None) -> Interim:
    """What a checkpoint keeps. Raises UserError for what is none, and where none can be written."""
    check_file("checkpoint", checkpoint)
    if not checkpoint:
        return Interim(None)
    check_writable(Path(checkpoint).parent)
    return Interim(Path(checkpoint))


@set_aside()
def evaluate(
    made: SyntheticSet,
    data: Dataset,
    networks: int = 5,
    architecture: str = "convnet3",
    device: str = "auto",
    threads: int = 0,
    checkpoint: str | Path | Interim | None = None,
    **keys: Any,
) -> Accuracy:
    """The test accuracy of fresh networks trained on a set. keys: any key of params.yaml's section
    `evaluate` (`epochs=200`, ...). The data set may be called otherwise than the set's, but has its classes, in their
    order, and its images' shape; else UserError. A set that was distilled without mirroring is evaluated so, unless
    `augment` is given. checkpoint: a file (JSON) where each network's result is kept as it ends, so that the same call
    goes on there; it stays. As in the workflow, networks follow from the set's seed, but meet all methods alike."""
    check_made(made)
    check_data(data)
    kept = checkpoint if isinstance(checkpoint, Interim) else opened(checkpoint)
    check_belongs("made", made, data)
    networks, place = whole("networks", networks, 1), setup(device, threads)
    mirrored = data if "augment" in keys else as_distilled(data, made)
    recipe = recipe_of(made, mirrored, {key: plain(keys[key]) for key in keys})
    if changes(made, recipe["views"]):
        raise UserError(f"views {recipe['views']}: from Python only `all` and `none`; the others by udd evaluate")
    images, labels = (each.to(place) for each in fixed(made, recipe["views"]))
    examples, data = TrainingSet(images, labels, None, len(images)), data.to(place)
    config = {"set": made.metadata["config"], "protocol": "python", "architecture": architecture, "evaluate": recipe}
    of = found_of(config, data, examples, place) if kept.path else ""
    found = [
        kept.result(f"{of} {each}", partial(result, config | {"network": each}, data, examples, place))
        for each in range(networks)
    ]
    values, best, by_class = ([each[key] for each in found] for key in ("accuracy", "accuracy_best", "by_class"))
    return Accuracy(values, architecture, trained(config, examples, len(data.classes))["steps"], best, by_class)
