"""How data sets, methods and networks are called in tables and figures; what has no entry keeps its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from udd.config.drawings import labels, multiples
from udd.config.plan import Params
from udd.errors import UserError

DATASETS = {
    "mnist": "MNIST", "fashionmnist": "FashionMNIST", "svhn": "SVHN", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100",
    "imagenet10": "ImageNet-10", "digits": "Digits",
}  # fmt: skip
METHODS = {
    "random": "Random", "herding": "Herding", "forgetting": "Forgetting", "dd": "DD", "dc": "DC", "dsa": "DSA",
    "dm": "DM", "cafe": "CAFE",
    "mtt": "MTT", "kip": "KIP", "kip-1024": "KIP, width 1024", "kip-128": "KIP, width 128", "dream": "DREAM",
    "dance": "DANCE", "ncfm": "NCFM", "udd-features": "UDD-features", "idc": "IDC", "udd": "UDD", "full": "Full data",
}  # fmt: skip
OTHERS = {
    "udd-p2": "UDD, P = 2", "udd-p5": "UDD, P = 5", "udd-p11": "UDD, P = 11", "idc-factor1": "IDC, factor 1",
    "idc-factor3": "IDC, factor 3",
    "udd-third": "UDD, windows of 1/3", "udd-half": "UDD, windows of 1/2", "udd-two-thirds": "UDD, windows of 2/3",
    "udd-third-half": "UDD, windows of 1/3 and 1/2", "udd-third-two-thirds": "UDD, windows of 1/3 and 2/3",
    "udd-half-two-thirds": "UDD, windows of 1/2 and 2/3", "udd-plus": "udd-plus",
}  # fmt: skip
ARCHITECTURES = {
    "convnet3": "ConvNet-3",
    "resnet18": "ResNet-18",
    "vgg11": "VGG-11",
    "alexnet": "AlexNet",
    "resnetap10": "ResNetAP-10",
}

POLICY = {
    "udd": "data jittering (default)", "udd-jitter-map": "data jittering, place by place",
    "udd-gradient": "gradient", "udd-activation": "activation", "udd-vote": "vote of the three",
    "udd-random": "windows at random (control)", "udd-all": "all windows (control)",
    "udd-nocfc": "data jittering, without CFC",
    "udd-gradient-nocfc": "gradient, without CFC", "udd-activation-nocfc": "activation, without CFC",
    "udd-vote-nocfc": "vote, without CFC",
}  # fmt: skip
JITTER = {"udd": "Gaussian (default)", "udd-uniform": "uniform", "udd-salt-and-pepper": "salt and pepper"}
CFC = {
    "idc": "IDC", "idc-cfc": "IDC + CFC", "udd": "UDD (with CFC)", "udd-nocfc": "UDD without CFC",
    "udd-gradient": "UDD, gradient (with CFC)", "udd-gradient-nocfc": "UDD, gradient, without CFC",
    "udd-activation": "UDD, activation (with CFC)", "udd-activation-nocfc": "UDD, activation, without CFC",
    "udd-vote": "UDD, vote (with CFC)", "udd-vote-nocfc": "UDD, vote, without CFC",
}  # fmt: skip
REGIONS = {
    "udd-third": "4: 1/3", "udd-half": "4: 1/2", "udd-two-thirds": "4: 2/3", "udd-third-half": "8: 1/3, 1/2",
    "udd-third-two-thirds": "8: 1/3, 2/3", "udd-half-two-thirds": "8: 1/2, 2/3", "udd": "12: 1/3, 1/2, 2/3 (default)",
    "udd-plus": "4: 1/2, all of them, from mix (udd-plus)",
}  # fmt: skip
# What a variant of ours is of another's
ABOUT = {"udd-plus": "IDC's own multi decode (Kim et al. 2022): the whole image and its quarters"}


class Labels(NamedTuple):
    """How one set's data set and method are called in place of their own names; empty: by these."""

    dataset: str = ""
    method: str = ""


OWN = Labels()


def dataset(config: Mapping[str, Any], name: str) -> str:
    """A data set by its label in the configuration of a table or figure, or as people write it."""
    return config.get("dataset_labels", {}).get(name) or DATASETS.get(name, name)


def variant_name(config: Mapping[str, Any], name: str) -> str:
    """A variant by its label in the configuration of a table or figure, or as people write it; a coreset of a multiple
    of IPC as its method, and how many times."""
    if name in config.get("times", {}) and name not in config.get("labels", {}):
        method, times = config["times"][name]
        return f"{METHODS[method]} ×{times}"
    named = METHODS | OTHERS | config.get("labels", {})
    if name in named:
        return named[name]
    return CFC.get(name) or next(
        (f"UDD, {labels[name]}" for labels in (POLICY, JITTER, REGIONS) if name in labels), name
    )


def check_told_apart(params: Params, source: str = "params.yaml") -> None:
    """Raise UserError for two variants, or data sets, that one table or figure calls alike, as a
    label may another's own name."""
    for kind in ("tables", "figures"):
        for request, asked in params[kind].items():
            config = multiples(params, asked["variants"]) | labels(params, asked["variants"], asked["datasets"])
            for key, named in (("variants", variant_name), ("datasets", dataset)):
                known: dict[str, str] = {}
                for name in asked[key]:
                    called = named(config, name)
                    if known.setdefault(called, name) != name:
                        where = f"{source}: {kind}.{request}.{key}: found {known[called]} and {name}"
                        raise UserError(
                            f"{where}, which are both called '{called}' there; give one of them a `label` of its own"
                        )
