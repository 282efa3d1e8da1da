"""DC, DSA, DM and DC-BENCH: `res_METHOD_DATASET_ConvNet_IPCipc.pt`, a dict whose `data` is a list of
[images, labels], one an experiment.

VICO-UoE/DatasetCondensation, main.py: images normalised by the data set's mean and deviation (utils.py). The last
experiment counts. justincui03/dc_benchmark, data_loader:
distilled_results/METHOD/DATASET/IPCn/res_METHOD_DATASET_ConvNet_nipc.pt (ConvNetD4 for tinyimagenet).
"""

from __future__ import annotations

from pathlib import Path

from udd.errors import UserError
from udd.synthetic.formats import pickles
from udd.synthetic.formats.content import Found, Wanted, as_images, as_labels, hard, normalised, unnormalised
from udd.synthetic.formats.statistics import by


def one_file(path: Path) -> Path:
    """The file, or the only one in a folder of DC-BENCH's. Raises UserError if there is none there, or a choice."""
    if not path.is_dir():
        return path
    found = sorted(path.rglob("res_*.pt"))
    if len(found) != 1:
        several = f"{len(found)} files, as {found[0].relative_to(path)}; name one of them" if found else "no res_*.pt"
        raise UserError(f"{path}: found {several}")
    return found[0]


def read(path: Path, wanted: Wanted) -> Found:
    """The last experiment's images, in [0, 1], and labels, of a file or of the only one in a folder. Raises
    UserError if it is another."""
    path = one_file(path)
    found = pickles.read(path)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, list) or not data or not isinstance(data[-1], list | tuple) or len(data[-1]) != 2:
        raise UserError(f"{path}: found no list of [images, labels] under `data`; is it of another format?")
    images = as_images(path, data[-1][0], wanted)
    labels = as_labels(path, data[-1][1], len(images), wanted)
    return Found(unnormalised(images, by("dc", wanted)), labels)


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write one experiment."""
    images = normalised(found.images, by("dc", wanted))
    pickles.write(path, {"data": [[images, hard(path, found)]], "accs_all_exps": {}})
