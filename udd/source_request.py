"""What `udd distill SOURCE` is asked for: its command line, read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from udd.command import Parser, add_pixels, amount, count, pixels_asked, whole


def parser() -> Parser:
    """The command line."""
    made = Parser(
        prog="udd distill",
        description="Distil a folder of class folders (train/CLASS/*, test/CLASS/*) or of parquet files (train-*, "
        "test-*), an npz, or a data set by name. Without SOURCE: a cell of params.yaml (udd distill --params "
        "params.yaml --help says how). A run that was cut goes on by the same command.",
    )
    made.add_argument("source", help="a folder, an .npz file, or mnist, fashionmnist, svhn, cifar10, cifar100, digits")
    made.add_argument("--ipc", type=count, default=1, help="images a class")
    made.add_argument("--seed", type=whole, default=0, help="of the images, and of all that is drawn for them")
    made.add_argument(
        "--smaller-classes", action="store_true", help="let a class of fewer images than --ipc keep as many as it has"
    )
    made.add_argument(
        "--method", default="udd", help="a variant of params.yaml: udd, idc, udd-plus, random, herding, ..."
    )
    add_pixels(made)
    made.add_argument(
        "--root", help="where named data sets lie, or are downloaded to; by default the variable UDD_DATA, else data"
    )
    keys: dict[str, Any] = {"nargs": "*", "action": "extend", "default": [], "metavar": "KEY=VALUE"}
    made.add_argument("--set", type=pair, help="keys that the method reads, e.g. outer=100 policy=vote", **keys)
    made.add_argument(
        "--minutes",
        type=amount,
        help="choose steps, cache and rate for so many minutes on this device, by a short trial, and say them",
    )
    made.add_argument(
        "--networks", type=whole, default=3, help="networks that are trained on the set to measure it; 0: none"
    )
    made.add_argument("--epochs", type=count, default=300, help="epochs of their training")
    made.add_argument(
        "--cache",
        type=Path,
        help="where the networks are kept that sets of these images share; by default a folder beside the set",
    )
    made.add_argument(
        "--out",
        type=Path,
        help="the set to write; by default NAME-METHOD-ipcN.safetensors here, of another seed "
        "NAME-METHOD-ipcN-seedS.safetensors",
    )
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--threads", type=whole, default=0, help="CPU threads; 0 keeps torch's own choice")
    return made


class SourceRequest(NamedTuple):
    """What the command line asks for, of a data set that is read: the method and its `set` of keys, how pixels
    were made, the measurement."""

    method: str
    ipc: int
    seed: int
    smaller_classes: bool
    set: dict[str, Any]
    minutes: float | None
    pixels: dict[str, Any]
    networks: int
    epochs: int
    cache: Path | None
    out: Path | None
    device: str
    threads: int


def asked(options: Mapping[str, Any]) -> SourceRequest:
    """What the options say, among others."""
    named: dict[str, Any] = {name: options[name] for name in SourceRequest._fields if name != "pixels"} | {
        "set": dict(options["set"])
    }
    return SourceRequest(pixels=pixels_asked(options), **named)


def pair(word: str) -> tuple[str, Any]:
    """KEY=VALUE; the value as in params.yaml."""
    import yaml

    key, sign, value = word.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"found {word}, expected KEY=VALUE")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or "not YAML"
        raise argparse.ArgumentTypeError(f"found {word}, expected a value as in params.yaml ({reason})") from None
