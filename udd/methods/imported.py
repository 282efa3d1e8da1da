"""Sets that lie in files, as cells of the workflow: other people's (`udd import`), or one's own of elsewhere.

`udd import --config JSON --manifest M --file FILE --out SET.safetensors`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from udd.command import Parser
from udd.config.asked import add_config, asked, set_config_of
from udd.data import read_manifest
from udd.errors import UserError
from udd.files import lock, sha256
from udd.provenance import provenance
from udd.synthetic.formats.content import only_numbers, say
from udd.synthetic.sets import SyntheticSet, load, save


def parser() -> Parser:
    """The command line."""
    made = Parser(prog="udd import", description="Take a set that lies in a file as that of a cell of params.yaml.")
    add_config(made)
    made.add_argument("--manifest", type=Path, required=True, help="the data set's manifest, as written by udd data")
    made.add_argument("--file", type=Path, required=True, help="the set that there is (.safetensors)")
    made.add_argument("--out", type=Path, required=True, help="the cell's set")
    return made


def largest(made: SyntheticSet) -> int:
    """How many images the largest class has."""
    labels = made.labels if made.labels.ndim == 1 else made.labels.argmax(1)
    return int(torch.bincount(labels).max())


def check(path: Path, made: SyntheticSet, manifest: dict[str, Any], ipc: int) -> None:
    """Raise UserError unless a set has the data set's classes, in their order or by their numbers, the shape of its
    images, and IPC of them in its largest class."""
    name, classes = manifest["config"]["name"], manifest["classes"]
    held, shape = made.metadata["classes"], list(made.images.shape[1:])
    by_number = len(held) == len(classes) and (only_numbers(held) or only_numbers(classes))
    if list(held) != list(classes) and not by_number:
        found = f"{len(held)} classes, {', '.join(held[:3])}, ...; {name} has {len(classes)}, {', '.join(classes[:3])}"
        raise UserError(f"{path}: {found}, ...; give a set of this data set, classes in their order")
    if shape != list(manifest["shape"]):
        raise UserError(f"{path}: images are {shape} [K, H, W], those of {name} {list(manifest['shape'])}")
    if (found := largest(made)) != ipc:
        raise UserError(
            f"{path}: {found} images in its largest class, but it stands for IPC {ipc}; name it for its own"
        )
    if not made.images.isfinite().all():
        raise UserError(f"{path}: {int((~made.images.isfinite()).sum())} pixels are not finite; make it again")


def adopted(path: Path, made: SyntheticSet, manifest: dict[str, Any], config: dict[str, Any]) -> SyntheticSet:
    """The set with a cell's configuration; what it said of itself goes into its provenance."""
    was = {key: made.metadata.get(key) for key in ("dataset", "config", "provenance")}
    origin = {"file": path.name, "sha256": sha256(path), "was": was}
    if ((was["provenance"] or {}).get("imported") or {}).get("anyway"):
        origin["anyway"] = True
    about = {
        "dataset": manifest["config"]["name"],
        "classes": manifest["classes"],
        "mean": manifest["mean"],
        "std": manifest["std"],
        "config": config,
        "provenance": provenance("udd.methods.imported", torch.device("cpu")) | {"imported": origin},
    }
    return made._replace(metadata=made.metadata | about)


def run(argv: list[str] | None = None) -> None:
    """Take one set."""
    args = parser().parse_args(argv)
    config, manifest = set_config_of(asked(vars(args))), read_manifest(args.manifest)
    if config["method"] != "imported":
        raise UserError(f"variant {config['variant']}: its method is {config['method']}, expected imported")
    with lock(args.out):
        made = load(args.file)
        check(args.file, made, manifest, config["ipc"])
        if list(made.metadata["classes"]) != list(manifest["classes"]):
            what = f"a set of {made.metadata['dataset']}, taken for {manifest['config']['name']}"
            say(f"note: {what}; its classes are taken by number")
        save(args.out, adopted(args.file, made, manifest, config))
