"""`udd export SET --as FORMAT --out PATH`: one of our sets in another's format."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from udd.command import Parser, check_out, refuse_else
from udd.errors import UsageError, UserError
from udd.files import check_set
from udd.foreign import add_whitening, convention, normalisation
from udd.given import check_pixels
from udd.synthetic.formats import FORMATS, Wanted, exported
from udd.synthetic.sets import load


def parser() -> Parser:
    """The command line."""
    formats = "; ".join(f"{name}: {each.about}" for name, each in FORMATS.items())
    made = Parser(
        prog="udd export", description=f"Write a set in another's format, class by class. Formats: {formats}."
    )
    made.add_argument("set", type=Path, help="a set of ours (.safetensors)")
    made.add_argument("--as", dest="format", choices=list(FORMATS), required=True)
    made.add_argument(
        "--normalised",
        nargs="+",
        type=convention,
        metavar="BY",
        help="as udd import takes it, where it should not be the format's own",
    )
    add_whitening(made)
    made.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the file or folder to write (mtt, ddranking: the file of images, as images_best.pt)",
    )
    return made


def wanted(
    normalised: Sequence[str | list[float]] | None, zca: Path | None, metadata: dict, shape: Sequence[int]
) -> Wanted:
    """The set's data set, as its metadata says, and the normalisation that --normalised or --zca asks for."""
    if lacking := [key for key in ("mean", "std") if key not in metadata]:
        raise UserError(f"metadata has no {lacking[0]} of the data set's channels, expected one a channel")
    by = normalisation(normalised, zca, metadata["dataset"], shape)
    return Wanted(
        metadata["dataset"], list(metadata["classes"]), (), list(metadata["mean"]), list(metadata["std"]), 1, by
    )


def check_place(out: Path, name: str, *source: Path) -> None:
    """Raise UserError where nothing can be written, or where what stands there is no file of such a format."""
    # A folder takes no place that is taken
    is_folder = name == "folder" or name == "ddranking" and not out.suffix
    if not is_folder:
        check_out("--out", out, *source)
    if out.suffix == ".safetensors":
        raise UsageError(f"--out: found {out}, which is how our own sets are called; name a file of --as {name}")
    if not is_folder:
        refuse_else("--out", out, "a file of any format", is_of_any)


def is_of_any(path: Path) -> bool:
    """Whether a file is one of torch.save, an npz or parquet: of what is in it, none says more."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            return any(name.endswith((".npy", "data.pkl")) for name in file.namelist())
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def run(argv: list[str] | None = None) -> None:
    """Export one set."""
    args = parser().parse_args(argv)
    check_place(args.out, args.format, args.set)
    check_set(args.set)
    made = load(args.set)
    check_pixels(str(args.set), made)
    count = exported(
        made, args.out, args.format, wanted(args.normalised, args.zca, made.metadata, made.images.shape[1:])
    )
    print(f"{args.out}: {count} images")
