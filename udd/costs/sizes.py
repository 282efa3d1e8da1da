"""How many images of which shape a data set has: from its manifest if there is one, else as
published. Reads no raw data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from udd.config.plan import Params, dataset_config
from udd.data import read_manifest
from udd.errors import UserError


class Sizes(NamedTuple):
    """Channels, side in pixels, and how many classes, training and test images."""

    channels: int
    side: int
    classes: int
    train: int
    test: int

    @property
    def image(self) -> int:
        """The pixels of an image, all channels: its bytes as stored, a quarter of them as floats."""
        return self.channels * self.side**2

    @property
    def stored(self) -> int:
        """The bytes of the whole data set on its device; a label takes eight."""
        return (self.train + self.test) * (self.image + 8)


PUBLISHED = {
    "mnist": Sizes(1, 28, 10, 60_000, 10_000),
    "fashionmnist": Sizes(1, 28, 10, 60_000, 10_000),
    "svhn": Sizes(3, 32, 10, 73_257, 26_032),
    "cifar10": Sizes(3, 32, 10, 50_000, 10_000),
    "cifar100": Sizes(3, 32, 100, 50_000, 10_000),
    "imagenet10": Sizes(3, 224, 10, 13_000, 500),  # at most: few classes have all of their 1,300
    "digits": Sizes(1, 16, 10, 1_442, 355),
}


def from_manifest(manifest: dict[str, Any]) -> Sizes:
    """The sizes that a manifest gives."""
    channels, side, _ = manifest["shape"]
    return Sizes(
        channels, side, len(manifest["classes"]), *(sum(manifest["counts"][part]) for part in ("train", "test"))
    )


def sizes(params: Params, dataset: str, directory: Path | str = ".") -> Sizes:
    """The sizes of a data set; results grow below `directory`. Raises UserError for one's own data
    that has no manifest yet."""
    config, path = dataset_config(params, dataset), Path(directory, params["results"], "data", f"{dataset}.json")
    if path.exists() and (manifest := read_manifest(path))["config"] == config:
        return from_manifest(manifest)
    if config["kind"] not in PUBLISHED:
        raise UserError(
            f"{path}: no manifest of {dataset}, so its size is unknown; make it with udd data, or give --directory as "
            "to snakemake"
        )
    published = PUBLISHED[config["kind"]]
    return published._replace(side=config.get("size", published.side))
