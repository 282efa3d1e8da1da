"""The reference networks of a data set: a few, trained on its real training images, by which mUE and the figures see
activations and features.

    udd reference --config JSON --manifest M --root DIR --out results/proxies/NAME.safetensors   # as the workflow does
    udd reference --params params.yaml --dataset mnist                                           # by hand

One file a data set (safetensors): the parameters of network i under `i.<name>`; its metadata, JSON under the key `udd`,
holds format, config (udd.config.drawings.reference_config), shape [K, H, W], mean, std, classes, `tops`, each network's
top of the histogram's range, and provenance.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from udd.command import Parser
from udd.config.asked import read_config
from udd.config.drawings import reference_config, reference_path
from udd.config.files import Files, filled, need, parser_of
from udd.config.params import load as load_params
from udd.data import Dataset
from udd.data import load as load_data
from udd.device import setup
from udd.errors import UsageError, UserError
from udd.files import lock, write_atomic
from udd.networks.architectures import Network, build
from udd.networks.augment import normalise
from udd.networks.streams import stream
from udd.networks.training import as_float, train
from udd.provenance import provenance

FORMAT = 1
FILES = {
    "manifest": "the data set's manifest, as written by udd.data",
    "root": "where raw data lies",
    "out": "the file to write (safetensors)",
}


class ReferenceNetworks(NamedTuple):
    """Trained networks on one device, and for each the top of the range of its activations."""

    networks: list[Network]
    tops: list[float]
    metadata: dict[str, Any]


def activation_maps(network: Network, images: Tensor, mean: list[float], std: list[float], batch: int = 250) -> Tensor:
    """The activation map of each image (bytes, or floats in [0, 1]): the channel mean of the last block's.
    [n, K, H, W] -> [n, h, w]."""
    with torch.inference_mode():
        return torch.cat(
            [network.features(normalise(as_float(part), mean, std))[0].mean(1) for part in images.split(batch)]
        )


def embeddings(network: Network, images: Tensor, mean: list[float], std: list[float], batch: int = 250) -> Tensor:
    """The penultimate features of images (bytes, or floats in [0, 1]). [n, K, H, W] -> [n, E]."""
    with torch.inference_mode():
        return torch.cat([network.features(normalise(as_float(part), mean, std))[1] for part in images.split(batch)])


def real_images(dataset: Dataset, count: int) -> Tensor:
    """`count` training images (all, if there are fewer) chosen by a seed of their own. uint8 [count, K, H, W]."""
    order = torch.randperm(len(dataset.train_images), generator=stream("cpu", "utilization", dataset.name))
    return dataset.train_images[order[:count].to(dataset.train_images.device)]


def top_of(maps: Tensor, percentile: float) -> float:
    """The percentile of all activations in maps [n, h, w]. Raises UserError if it is 0: such a network sees nothing."""
    top = float(np.percentile(maps.double().cpu().numpy(), percentile))
    if not top > 0:
        found = f"percentile {percentile} of the real images' activations is {top}"
        raise UserError(f"utilization: {found}, expected more than 0; raise percentile or epochs")
    return top


def train_reference(dataset: Dataset, config: dict[str, Any], device: torch.device) -> ReferenceNetworks:
    """Train the networks of `config` on all training images; each depends on the data set and its number alone."""
    recipe, (channels, side) = config["utilization"], dataset.train_images.shape[1:3]
    real = real_images(dataset, recipe["images"])
    networks, tops = [], []
    for number in range(recipe["networks"]):
        generator = stream(device, "proxy", dataset.name, number)
        network = build(recipe["network"], channels, side, len(dataset.classes), recipe["width"], generator)
        train(network, dataset.train_images, dataset.train_labels, recipe, dataset.mean, dataset.std, generator)
        networks.append(network)
        tops.append(top_of(activation_maps(network, real, dataset.mean, dataset.std), recipe["percentile"]))
    seen = {
        "shape": list(dataset.train_images.shape[1:]),
        "classes": dataset.classes,
        "mean": dataset.mean,
        "std": dataset.std,
    }
    return ReferenceNetworks(networks, tops, {"format": FORMAT, "config": config, "tops": tops} | seen)


def save(path: Path | str, reference: ReferenceNetworks) -> None:
    """Write the networks atomically; the same ones give the same bytes."""
    states = enumerate(network.state_dict() for network in reference.networks)
    tensors = {
        f"{number}.{name}": value.cpu().contiguous() for number, state in states for name, value in state.items()
    }
    write_atomic(path, to_bytes(tensors, {"udd": json.dumps(reference.metadata, sort_keys=True)}))


def load(path: Path | str, device: torch.device | str = "cpu") -> ReferenceNetworks:
    """Read reference networks onto `device`. Raises UserError if the file is missing, truncated, or of another
    format."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("udd", "{}"))
            if metadata.get("format") != FORMAT:
                raise UserError(
                    f"{path}: found reference networks of format {metadata.get('format')}, expected {FORMAT}; make "
                    "them again with this version"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError:
        raise UserError(f"{path}: no such reference networks; make them with udd reference") from None
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path}: not a whole file of reference networks ({' '.join(str(error).split())}); delete it and make it "
            "again"
        ) from None
    networks = [restored(tensors, number, metadata).to(device) for number in range(len(metadata["tops"]))]
    return ReferenceNetworks(networks, metadata["tops"], metadata)


def restored(tensors: dict[str, Tensor], number: int, metadata: dict[str, Any]) -> Network:
    """Network `number` with its stored parameters."""
    recipe, (channels, side, _) = metadata["config"]["utilization"], metadata["shape"]
    network = build(recipe["network"], channels, side, len(metadata["classes"]), recipe["width"], torch.Generator())
    prefix = f"{number}."
    network.load_state_dict(
        {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    )
    return network


def resolve(options: dict[str, Any]) -> tuple[dict[str, Any], Files]:
    """The configuration and the files; by hand, those that the command line leaves out are where params.yaml puts
    them."""
    config = read_config(options["config"], "dataset", "utilization")
    if config is not None:
        return config, need(options, "manifest", "root", "out")
    params, name = load_params(options["params"]), options["dataset"]
    if name not in params["datasets"]:
        raise UsageError(f"--dataset {name}: not in params.yaml; expected one of {', '.join(params['datasets'])}")
    return reference_config(params, name), filled(
        options, params, manifest=f"data/{name}.json", out=reference_path(name)
    )


def parser() -> Parser:
    """The command line of `udd reference`."""
    return parser_of("reference", "Train the networks by which mUE and the figures see a data set.", FILES)


def run(argv: list[str] | None = None) -> None:
    """Train the reference networks of one data set."""
    args = parser().parse_args(argv)
    device, (config, files) = setup(args.device, args.threads), resolve(vars(args))
    with lock(files["out"]):
        reference = train_reference(load_data(files["manifest"], files["root"]).to(device), config, device)
        save(
            files["out"],
            reference._replace(
                metadata=reference.metadata | {"provenance": provenance("udd.evaluation.reference", device)}
            ),
        )
