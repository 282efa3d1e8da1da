"""DC, DSA, DM and DC-BENCH: `res_METHOD_DATASET_ConvNet_IPCipc.pt`, a dict whose `data` is a list of [images, labels], one an experiment.

VICO-UoE/DatasetCondensation, main.py: images normalised by the data set's mean and deviation (utils.py). The last experiment counts.
"""

from __future__ import annotations

from pathlib import Path

from udd.errors import UserError
from udd.synthetic.formats import pickles
from udd.synthetic.formats.content import Found, Wanted, as_images, as_labels, normalised, unnormalised
from udd.synthetic.formats.statistics import statistics


def read(path: Path, wanted: Wanted) -> Found:
    """The last experiment's images, in [0, 1], and labels. Raises UserError if the file is another."""
    found = pickles.read(path)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, list) or not data or not isinstance(data[-1], list | tuple) or len(data[-1]) != 2:
        raise UserError(f"{path}: found no list of [images, labels] under `data`; is it of another format?")
    images = as_images(path, data[-1][0], wanted)
    labels = as_labels(path, data[-1][1], len(images), wanted)
    return Found(unnormalised(images, wanted.normalised or statistics("dc", wanted.dataset)), labels)


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write one experiment."""
    images = normalised(found.images, wanted.normalised or statistics("dc", wanted.dataset))
    pickles.write(path, {"data": [[images, found.labels]], "accs_all_exps": {}})
