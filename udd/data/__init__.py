"""Data sets as tensors, and the manifests that pin them.

    udd data --params params.yaml --dataset mnist                     # by hand
    udd data --config JSON --root DIR --out results/data/mnist.json   # as the workflow does

reads a data set's raw files, writes them packed as one file of uint8 tensors below the data root, and writes a
*manifest*: the configuration, classes, images per class, mean and standard deviation, and the size and SHA-256 of every
raw file and of the packed one. The manifest is what is versioned; the data root is a cache that can be deleted, since
`load` builds the packed file again and accepts nothing but the same bytes.

The data root is `--root`, else the environment variable UDD_DATA, else `data_root` in params.yaml.

Declaring your own data
-----------------------
Add an entry under `datasets` in params.yaml; from then on its name is used like any other.

    datasets:
      pets:                  # <root>/pets/train/<class>/ and <root>/pets/test/<class>/, images at any depth
        kind: folder
        size: 64             # shorter side to 64, then the centre square; images may have any size
      blood:                 # <root>/bloodmnist.npz: train_images, train_labels, test_images, test_labels (as MedMNIST)
        kind: npz
        path: bloodmnist.npz # relative to the root; by default the name (npz: name.npz)
        classes: [basophil, eosinophil, erythroblast, granulocytes, lymphocyte, monocyte, neutrophil, platelet]

`folder`: classes are the folders' names, or those that `classes` lists; the images are grey if every one of them is,
else RGB. `parquet`: `train-*.parquet` and `test-*.parquet` as on the Hugging Face Hub, columns image and label (pip
install 'udd[hub]'). `npz`: images uint8 [n, H, W] or [n, H, W, K], labels [n] or [n, 1], 0 to C-1, named by `classes`;
val_* is ignored. `imagenet10`: the classes that `classes` lists, from an ImageNet folder with train/<wnid>/ and
val/<wnid>/, RGB, at `size` (224). `mnist fashionmnist svhn cifar10 cifar100`: torchvision's layout in the root (or in
`path` below it), downloaded where absent. `digits`: scikit-learn's 1,797 digits of 8 x 8 pixels, enlarged to `size`
(16), split 80/20 within each class; no download. `depth: 16` and `background` say what becomes of 16-bit and of
transparent images: docs/your-images.md has all that is read. Any kind takes `size`. Every class needs training and test
images; mean and standard deviation are computed, never declared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from udd.command import Parser, whole
from udd.data.sources import gone
from udd.errors import UsageError, UserError
from udd.files import read_json, sha256, write_json

if TYPE_CHECKING:  # imported where it is needed: the workflow asks this room about raw files, and has no use for it
    import torch

RENEW = "make a new manifest (udd data)"
REBUILD = "delete it to have it built again from the raw files"


TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


class Dataset(NamedTuple):
    """A data set on one device: images uint8 [n, K, H, W], labels int64 [n]; mean and std a channel, on the [0, 1]
    scale. flip: whether augmentation may mirror the images, as it may not mirror digits. like: the data set of
    params.yaml whose keys hold for this one as well, of which it is a part; else empty."""

    name: str
    classes: list[str]
    mean: list[float]
    std: list[float]
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    flip: bool = True
    like: str = ""

    def __repr__(self) -> str:  # a line, where a tuple would print its tensors
        counts = f"{len(self.train_images)} training and {len(self.test_images)} test images"
        return f"Dataset({self.name}: {len(self.classes)} classes, {counts} of {list(self.train_images.shape[1:])})"

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its tensors on `device`."""
        return self._replace(**{name: getattr(self, name).to(device) for name in TENSORS})


def load(manifest: Path | str, root: Path | str) -> Dataset:
    """The data set that `manifest` pins, on the CPU, from its packed file below `root`; built from
    the raw files if absent.

    Raises UserError if the manifest is not one, the raw files are missing or corrupt, or size or
    SHA-256 are not the manifest's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    pinned = read_manifest(manifest)
    path = Path(root) / pinned["packed"]["file"]
    if not path.exists():
        rebuild(pinned, manifest, Path(root))
    verify(path, pinned["packed"], manifest)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path}: not a packed data set ({error}); delete it and run again") from None
    return Dataset(
        pinned["dataset"],
        pinned["classes"],
        pinned["mean"],
        pinned["std"],
        flip=True,
        like="",
        **{name: tensors[name] for name in TENSORS},
    )


def read_manifest(path: Path | str) -> dict[str, Any]:
    """The manifest in `path`. Raises UserError if it is not one of this format."""
    from udd.data.raw import FORMAT

    manifest = read_json(path, "name a manifest that udd data or snakemake wrote")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or "packed" not in manifest:
        raise UserError(f"{path}: not a data manifest of format {FORMAT}; make it again with udd data")
    return manifest


def rebuild(pinned: dict[str, Any], manifest: Path | str, root: Path) -> None:
    """Build the packed file again. Raises UserError naming the first raw file that is not the one that `manifest`
    pins."""
    from udd.data.packing import prepare

    made = prepare(pinned["config"], root)
    here, there = ({file["name"]: file["sha256"] for file in files} for files in (made["files"], pinned["files"]))
    differing = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if differing or made["packed"] != pinned["packed"]:
        (root / made["packed"]["file"]).unlink()  # else the next attempt would find it and know less about the reason
    if differing:
        raise UserError(f"{root}: {differing[0]} is not as in the data that {manifest} pins; get that data or {RENEW}")
    if made["packed"] != pinned["packed"]:
        raise UserError(
            f"{root}: {manifest}'s files decode to other pixels here; use the Pillow that made it or {RENEW}"
        )


def verify(path: Path, packed: dict[str, Any], manifest: Path | str) -> None:
    """Raise UserError unless a packed file has the size and SHA-256 that `manifest` gives it."""
    size = path.stat().st_size
    if size != packed["bytes"]:
        raise UserError(f"{path}: {size} bytes, {manifest} pins {packed['bytes']}; {REBUILD}")
    if sha256(path) != packed["sha256"]:
        raise UserError(f"{path}: its SHA-256 is not the one that {manifest} pins; {REBUILD}")


def parser() -> Parser:
    """The command line of `udd data`."""
    made = Parser(
        prog="udd data",
        description="Pack a data set and write its manifest. udd data check FOLDER_OR_NPZ looks through your own "
        "images first.",
    )
    one = made.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "--config", help="the data set as JSON, or a JSON file: name, kind, and path, size, classes where wanted"
    )
    one.add_argument("--dataset", help="the data set's name in params.yaml")
    made.add_argument("--params", nargs="+", default=["params.yaml"], help="params.yaml and files laid over it")
    made.add_argument(
        "--root", type=Path, help="data root; by default the variable UDD_DATA, else data_root in params.yaml"
    )
    made.add_argument(
        "--out", type=Path, help="the manifest to write; by default data/NAME.json in params.yaml's results"
    )
    made.add_argument("--threads", type=whole, default=0, help="threads that decode images; 0: one a core")
    made.add_argument("--json", action="store_true", help="print the manifest")
    return made


def run(argv: list[str] | None = None) -> None:
    """Prepare one data set and write its manifest."""
    from udd.data.packing import prepare

    args = parser().parse_args(argv)
    config, root, out = resolve(args.config, args.params, args.dataset, args.root, args.out)
    if stands(config, root, out):
        say, manifest = kept, read_json(out)
    else:
        say, manifest = tell, prepare(config, root, args.threads)
        write_json(out, manifest)
    if args.json:
        print(json.dumps(manifest))
    else:
        say(out, manifest)


def stands(config: dict[str, Any], root: Path, out: Path) -> bool:
    """Whether `out` is this configuration's manifest already, and only its raw files are not there any more."""
    if (
        not isinstance(config, dict)
        or not {"name", "kind"} <= config.keys()
        or not out.exists()
        or not gone(config, root)
    ):
        return False
    pinned = read_json(out)
    if not isinstance(pinned, dict) or pinned.get("config") != config or "packed" not in pinned:
        return False
    path = root / pinned["packed"]["file"]
    if not path.exists():
        return False
    verify(path, pinned["packed"], out)
    return True


def kept(out: Path, manifest: dict[str, Any]) -> None:
    """Say that the manifest was left as it is."""
    print(f"{out}: kept; no raw files of {manifest['dataset']} in the data root, and the packed file is whole")


def tell(out: Path, manifest: dict[str, Any]) -> None:
    """Say what was made, and what was left out of it or changed."""
    shape = " x ".join(map(str, manifest["shape"]))
    train, test = (sum(manifest["counts"][part]) for part in ("train", "test"))
    print(
        f"{out}: {manifest['dataset']}, {len(manifest['classes'])} classes, {train} training and {test} test images of "
        f"{shape}"
    )
    if left_out := manifest.get("left_out"):
        print(f"{out}: left out: {', '.join(f'{count} {what}' for what, count in sorted(left_out.items()))}")
    if number := manifest.get("transparent"):
        print(
            f"{out}: {number} images are transparent in part; behind them is {manifest['background']} (key background)"
        )
    if span := manifest.get("range"):
        print(f"{out}: 16-bit values {span[0]} to {span[1]}, the range of the training images, became 0 to 255")


def resolve(
    given: str | None, files: list[str], name: str | None, root: Path | None, out: Path | None
) -> tuple[dict[str, Any], Path, Path]:
    """Configuration, data root and manifest: those given, else of the data set `name` in params.yaml. Raises
    UsageError for an unknown one."""
    from udd.config import params as parameters
    from udd.config import plan
    from udd.config.asked import read_config

    config = read_config(given, "kind", "name")
    params = {} if config and root and out else parameters.load(files)
    if config is None:
        if name not in params["datasets"]:
            raise UsageError(f"--dataset {name}: not in params.yaml; expected one of {', '.join(params['datasets'])}")
        config = plan.dataset_config(params, str(name))
    root = Path(plan.expanded("--root", str(root))) if root else plan.data_root(params)
    return config, root, out or Path(params["results"], "data", f"{config['name']}.json")
