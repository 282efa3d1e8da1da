"""Coresets: real images chosen by Random, Herding (Welling, 2009) or Forgetting (Toneva et al., 2019), stored as a set.

`udd coresets --config JSON --manifest M --root DIR --out SET.safetensors`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from udd.command import Parser, add_common
from udd.config.asked import add_config, asked, set_config_of
from udd.data import Dataset, load
from udd.device import setup
from udd.errors import UserError
from udd.files import lock
from udd.networks.architectures import Network, build
from udd.networks.augment import as_float, normalise
from udd.networks.streams import stream
from udd.networks.training import forward_batch, train
from udd.provenance import provenance
from udd.synthetic.sets import SyntheticSet, save


def herding(embeddings: torch.Tensor, count: int) -> torch.Tensor:
    """Embeddings of one class [n, E] -> `count` indices, chosen one by one so that their mean stays
    close to the mean of all."""
    centred = embeddings.double() - embeddings.double().mean(0)
    scores = (centred**2).sum(1)  # |sum of chosen + x|^2 - |sum of chosen|^2, for every x; the mean of all is 0
    chosen = []
    for _ in range(count):
        best = scores.argmin()
        chosen.append(best)
        scores = scores + 2 * (centred @ centred[best])
        scores[best] = torch.inf
    return torch.stack(chosen)


def forgetting_events(history: torch.Tensor) -> torch.Tensor:
    """Whether each example was classified rightly when shown, bool [T, n] -> how often that changed
    from right to wrong [n].

    An example that was never right counts as infinitely forgotten, as in Toneva et al., Sec. 3.
    """
    events = (history[:-1] & ~history[1:]).sum(0).double()
    return events.masked_fill(~history.any(0), torch.inf)


def most_forgotten(events: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """The `count` indices with the most forgetting events [n]; ties fall at random."""
    shuffled = torch.randperm(len(events), generator=generator, device=events.device)
    order = events[shuffled].sort(descending=True, stable=True).indices
    return shuffled[order[:count]]


def trained(dataset: Dataset, recipe: dict[str, Any], generator: torch.Generator) -> tuple[Network, torch.Tensor]:
    """A network trained on all real images, and whether each was classified rightly whenever it was
    shown, bool [epochs, n]."""
    images, labels = dataset.train_images, dataset.train_labels
    network = build(
        recipe["network"], images.shape[1], images.shape[2], len(dataset.classes), recipe["width"], generator
    )
    history = torch.zeros(recipe["epochs"], len(images), dtype=torch.bool, device=images.device)

    def note(epoch: int, index: torch.Tensor, logits: torch.Tensor) -> None:
        history[epoch, index] = logits.argmax(1) == labels[index]

    train(network, images, labels, recipe, dataset.mean, dataset.std, generator, after_step=note)
    return network, history


@torch.inference_mode()
def embeddings(network: Network, images: torch.Tensor, dataset: Dataset) -> torch.Tensor:
    """The network's embeddings [n, E] of images [n, K, H, W]."""
    mean, std = (torch.tensor(values, device=images.device) for values in (dataset.mean, dataset.std))
    parts = images.split(forward_batch(images.device, images.shape[-1]))
    return torch.cat([network.features(normalise(as_float(part), mean, std))[1] for part in parts])


def chooser(config: dict[str, Any], dataset: Dataset, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function that maps a class's indices [n] to the IPC of them that the configured method chooses."""
    ipc, method = config["ipc"], config["method"]
    generator = stream(device, "coreset", config["dataset"]["name"], config["seed"])
    if method == "random":
        return lambda members: members[torch.randperm(len(members), generator=generator, device=device)[:ipc]]
    network, history = trained(dataset, config["coreset"], generator)
    if method == "herding":
        return lambda members: members[herding(embeddings(network, dataset.train_images[members], dataset), ipc)]
    events = forgetting_events(history)
    return lambda members: members[most_forgotten(events[members], ipc, generator)]


def coreset(config: dict[str, Any], dataset: Dataset, device: torch.device) -> torch.Tensor:
    """The indices [C * IPC] of the chosen training images, class by class.

    `config` is a resolved set configuration. Raises UserError if its method is no coreset's or a
    class has fewer images than IPC.
    """
    check(config, dataset)
    choose = chooser(config, dataset, device)
    return torch.cat([choose((dataset.train_labels == label).nonzero()[:, 0]) for label in range(len(dataset.classes))])


def check(config: dict[str, Any], dataset: Dataset) -> None:
    """Raise UserError unless the method is a coreset's and every class has at least IPC images."""
    if config["method"] not in ("random", "herding", "forgetting"):
        raise UserError(
            f"variant {config['variant']}: its method is {config['method']}, expected random, herding or forgetting"
        )
    counts = torch.bincount(dataset.train_labels, minlength=len(dataset.classes)).tolist()
    smallest = min(range(len(counts)), key=counts.__getitem__)
    if config["ipc"] > counts[smallest]:
        most = counts[smallest]
        name = f"{dataset.name}, class {dataset.classes[smallest]}"
        raise UserError(
            f"{name}: it has {most} training images, but IPC is {config['ipc']}; choose an IPC of {most} or less"
        )


def as_set(indices: torch.Tensor, dataset: Dataset, config: dict[str, Any], made: dict[str, Any]) -> SyntheticSet:
    """The chosen images as a set without windows; `made` is its provenance."""
    metadata = {"dataset": dataset.name, "classes": dataset.classes, "mean": dataset.mean, "std": dataset.std}
    metadata |= {"whole": True, "config": config, "provenance": made}
    images, labels = as_float(dataset.train_images[indices]).cpu(), dataset.train_labels[indices].cpu()
    return SyntheticSet(images, labels, torch.zeros(0, 4, dtype=torch.int64), metadata)


def parser() -> Parser:
    """The command line of `udd coresets`."""
    made = Parser(prog="udd coresets", description="Choose a coreset of real images.")
    add_config(made)
    made.add_argument("--manifest", type=Path, required=True, help="the data set's manifest, as written by udd.data")
    made.add_argument("--root", type=Path, required=True, help="where raw data lies")
    made.add_argument("--out", type=Path, required=True, help="the set to write (safetensors)")
    add_common(made)
    return made


def run(argv: list[str] | None = None) -> None:
    """Choose one coreset and write it."""
    args = parser().parse_args(argv)
    device, config = setup(args.device, args.threads), set_config_of(asked(vars(args)))
    with lock(args.out):
        dataset = load(args.manifest, args.root).to(device)
        indices = coreset(config, dataset, device)
        save(args.out, as_set(indices, dataset, config, provenance("udd.methods.coresets", device)))
