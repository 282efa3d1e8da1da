"""mUE, the mean utilisation by activation entropy (Eqs. 11, 12), of a synthetic set or of real images; and
the experiment of Fig. 8.

    udd utilization --config JSON --proxies P --set SET.safetensors --out X.json         # a set
    udd utilization --config JSON --proxies P --manifest M --root DIR --out X.json       # the real images
    udd utilization --params params.yaml --dataset mnist --ipc 1 --variant udd           # by hand

The activation map of an image (whole, as stored) is histogrammed in d equal intervals of the fixed range [0, top],
where top is the q-th percentile of real images' activations under the same network (udd.evaluation.reference); values
above count in the last interval. With H the entropy of the histogram, the utilisation of the image is H / log d,
averaged over d in D and over the networks: 0 where all activations are alike, 1 where they spread evenly. Eq. 11 prints
1 - H / log d, which falls where the text and Fig. 8 rise; `mue_printed` is that. The print also divides the sum by |X|,
the number of activations: `mue_printed_letter` does, and so lies within 1 / |X| of 1 whatever the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from udd.command import Parser
from udd.config import plan
from udd.config.asked import asked, named_cell, read_config
from udd.config.compare import difference
from udd.config.drawings import NOT_REFERENCE, measurement_path, reference_path, shown_file
from udd.config.files import Files, filled, need, parser_of
from udd.config.params import load as load_params
from udd.data import load as load_data
from udd.device import setup
from udd.errors import UserError
from udd.evaluation.reference import ReferenceNetworks, activation_maps, real_images
from udd.evaluation.reference import load as load_reference
from udd.files import lock, write_json
from udd.provenance import provenance
from udd.synthetic.sets import load as load_set

FORMAT = 1
FILES = {
    "proxies": "the data set's reference networks, as written by udd.evaluation.reference",
    "set": "the set to measure (safetensors)",
    "manifest": "for the real images: the data set's manifest",
    "root": "for the real images: where raw data lies",
    "out": "the result to write (JSON)",
}


def histograms(values: Tensor, top: float, intervals: int) -> Tensor:
    """The share of each row's values in equal intervals of [0, top]; those outside count in the first or last.
    [n, m] -> float64 [n, d]."""
    index = (values.double() * intervals / top).long().clamp(0, intervals - 1)
    counts = torch.zeros(len(values), intervals, dtype=torch.float64, device=values.device)
    return counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.float64)) / values.shape[1]


def entropy(shares: Tensor) -> Tensor:
    """The entropy of each row of shares, in nats; 0 log 0 = 0. [n, d] -> [n]."""
    return -torch.special.xlogy(shares, shares).sum(1)


def utilisation(values: Tensor, top: float, intervals: Sequence[int]) -> Tensor:
    """H / log d of each row of activations, averaged over the numbers of intervals d (Eq. 12). [n, m]
    -> float64 [n], each in [0, 1]."""
    return torch.stack([entropy(histograms(values, top, d)) / math.log(d) for d in intervals]).mean(0).clamp(0, 1)


def measure(images: Tensor, reference: ReferenceNetworks, intervals: Sequence[int]) -> dict[str, Any]:
    """mUE of images [n, K, H, W] (bytes, or floats in [0, 1]): the mean over networks and
    images, and what it is made of."""
    mean, std = reference.metadata["mean"], reference.metadata["std"]
    maps = [activation_maps(network, images, mean, std).flatten(1) for network in reference.networks]
    # [networks, n]
    each = torch.stack([utilisation(values, top, intervals) for values, top in zip(maps, reference.tops, strict=True)])
    by_image, size = each.mean(0), maps[0].shape[1]
    mue = by_image.mean().item()
    return {
        "mue": mue,
        "mue_std": by_image.std().item() if len(by_image) > 1 else None,
        "mue_printed": 1 - mue,
        "mue_printed_letter": 1 - mue / size,
        "images": len(images),
        "activations": size,
        "by_image": [round(value, 6) for value in by_image.tolist()],
        "by_network": each.mean(1).tolist(),
    }


def spread_experiment(
    spreads: Sequence[float], intervals: Sequence[int], samples: int = 1000, size: int = 64
) -> list[dict[str, float]]:
    """Fig. 8: the utilisation of normal samples against their standard deviation, given in parts of the range.

    `samples` maps of `size` values each, around the middle of the range [0, 1] and confined to it (the truncated
    normal, by its inverse distribution function), since activations outside of the range would pile up at its ends.
    Deterministic: the same draws for every spread.
    """
    uniform = torch.rand(samples, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    results = []
    for spread in spreads:
        bound = 0.5 / spread  # of the standard normal
        low, high = (torch.special.ndtr(torch.tensor(sign * bound, dtype=torch.float64)) for sign in (-1, 1))
        values = (0.5 + spread * torch.special.ndtri(low + uniform * (high - low))).clamp(0, 1)
        found = utilisation(values, 1.0, intervals)
        results.append({"spread": spread, "mue": found.mean().item(), "mue_std": found.std().item()})
    return results


def images_of(config: dict[str, Any], files: Files) -> Tensor:
    """The images to measure: those stored in the set, whole, or `images` real training images. Raises
    UserError if the set is another."""
    if config["set"]["method"] == "full":
        return real_images(load_data(files["manifest"], files["root"]), config["utilization"]["images"])
    found = load_set(files["set"])
    differing = difference(found.metadata["config"], config["set"])
    if differing:
        raise UserError(
            f"{files['set']}: a set of another configuration: {differing}; make it again, or measure it with its own"
        )
    return found.images


def check_reference(reference: ReferenceNetworks, config: dict[str, Any], path: Path) -> None:
    """Raise UserError unless the networks are those of the configuration."""
    planned = {key: value for key, value in config["utilization"].items() if key not in NOT_REFERENCE}
    differing = difference(reference.metadata["config"], {"dataset": config["set"]["dataset"], "utilization": planned})
    if differing:
        raise UserError(
            f"{path}: reference networks of another configuration: {differing}; make them again with udd reference"
        )


def resolve(options: dict[str, Any]) -> tuple[dict[str, Any], Files]:
    """The configuration and the files; by hand, those that the command line leaves out are where params.yaml puts
    them."""
    wanted = asked(options)
    config = read_config(wanted.config, "set", "utilization")
    if config is not None:
        return config, need(
            options, "proxies", "out", *(("manifest", "root") if config["set"]["method"] == "full" else ("set",))
        )
    params = load_params(wanted.params)
    cell = named_cell(params, wanted)
    measured = {"set": shown_file(params, "set", cell, wanted.seed), "manifest": f"data/{cell.dataset}.json"}
    out = f"utilization/{measurement_path(cell, wanted.seed)}"
    files = filled(options, params, proxies=reference_path(cell.dataset), out=out, **measured)
    return plan.utilization_config(params, cell, wanted.seed), files


def parser() -> Parser:
    """The command line of `udd utilization`."""
    return parser_of("utilization", "Measure mUE of a set or, for variant `full`, of real images.", FILES)


def run(argv: list[str] | None = None) -> None:
    """Measure one set, or the real images, and write the result."""
    args = parser().parse_args(argv)
    device, (config, files) = setup(args.device, args.threads), resolve(vars(args))
    with lock(files["out"]):
        reference = load_reference(files["proxies"], device)
        check_reference(reference, config, files["proxies"])
        found = measure(images_of(config, files).to(device), reference, config["utilization"]["intervals"])
        write_json(
            files["out"],
            {"format": FORMAT, "config": config, "provenance": provenance("udd.evaluation.utilization", device)}
            | found,
        )
        print(
            f"{files['out']}: mUE {found['mue']:.3f} over {found['images']} images and {len(reference.networks)} "
            "networks"
        )
