"""Sets that lie in files, as cells of the workflow: other people's (`udd import`), or one's own of elsewhere.

`udd import --config JSON --manifest M --file FILE --out SET.safetensors`
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from udd.command import Parser
from udd.config.asked import add_config, asked, set_config_of
from udd.data import read_manifest
from udd.data.sources import OFFICIAL
from udd.errors import UserError
from udd.files import lock, sha256
from udd.given import check_pixels, check_same, check_shape
from udd.provenance import provenance
from udd.synthetic.formats.content import say
from udd.synthetic.sets import SyntheticSet, load, save


def parser() -> Parser:
    """The command line."""
    made = Parser(prog="udd import", description="Take a set that lies in a file as that of a cell of params.yaml.")
    add_config(made)
    made.add_argument("--manifest", type=Path, required=True, help="the data set's manifest, as written by udd data")
    made.add_argument("--file", type=Path, required=True, help="the set that there is (.safetensors)")
    made.add_argument("--out", type=Path, required=True, help="the cell's set")
    return made


def images_a_class(made: SyntheticSet) -> int:
    """How many images the largest class has; of soft labels, which are of no class alone, so many on average."""
    if made.labels.ndim == 2:
        return math.ceil(len(made.images) / len(made.metadata["classes"]))
    return int(torch.bincount(made.labels).max())


def check(path: Path, made: SyntheticSet, manifest: dict[str, Any], ipc: int) -> None:
    """Raise UserError unless a set is of this data set, as udd.given has it, of its images' shape, of IPC images a
    class, and its pixels are numbers near [0, 1]."""
    name, kind = manifest["config"]["name"], manifest["config"]["kind"]
    check_same(str(path), made, name, kind if kind in OFFICIAL else None, manifest["classes"])
    check_shape(str(path), made, name, list(manifest["shape"]))
    check_pixels(str(path), made)
    if (found := images_a_class(made)) != ipc:
        raise UserError(f"{path}: {found} images a class, but it stands for IPC {ipc}; name it for its own")


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
        "provenance": provenance("udd.adopting", torch.device("cpu")) | {"imported": origin},
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
