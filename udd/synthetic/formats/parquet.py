"""Parquet as the Hugging Face Hub has it: PNG files of 8 bits in the column `image`, whole numbers in `label`, the
classes' names in its metadata.

huggingface/datasets, features/image.py and arrow_writer.py: structs of bytes and path; features as JSON under
`huggingface`. Needs udd[hub].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from udd.data.parquet import arrow, rows, shard
from udd.errors import UserError
from udd.files import atomic_path
from udd.synthetic.formats.content import Found, Wanted, as_bytes, as_images, as_labels, hard, only_numbers, say_taken
from udd.synthetic.formats.folder import pixels, png


def read(path: Path, wanted: Wanted) -> Found:
    """The images and labels of one file. Raises UserError if it is another, or its classes are others."""
    if path.is_dir():
        raise UserError(f"{path}: a folder; name the parquet file in it")
    held = shard(path)
    names = held.names
    if names and only_numbers(wanted.classes) and len(names) == len(wanted.classes) and not only_numbers(names):
        say_taken(path, names, wanted)
        names = []
    if names and (set(names) != set(wanted.classes) or len(names) != len(wanted.classes)):
        raise UserError(
            f"{path}: its classes are {', '.join(names[:5])}, ..., not those of {wanted.dataset}; name its data set"
        )
    images = [pixels(place, wanted.shape[0], BytesIO(data)) for some in rows(held) for place, data in some]
    if len({each.shape for each in images}) > 1:
        raise UserError(f"{path}: images are of several sizes, expected {list(wanted.shape)} [K, H, W]")
    return Found(
        as_images(path, torch.stack(images), wanted),
        by_name(as_labels(path, torch.from_numpy(held.labels), len(images), wanted), names, wanted.classes),
    )


def by_name(labels: Tensor, names: Sequence[str], classes: Sequence[str]) -> Tensor:
    """Labels [n] as the data set numbers its classes, of labels that number `names`: the Hub's numbers 0, 1, 2, ...,
    10 stand as 0, 1, 10, 2, ... where they are folders. Files without names number the classes already."""
    return torch.tensor([classes.index(name) for name in names])[labels] if names else labels


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write one file. Raises UserError without pyarrow, or if labels are soft."""
    held, file = arrow(path), arrow(path, "pyarrow.parquet")
    labels, images = hard(path, found).tolist(), as_bytes(found.images)
    rows = [{"bytes": png(image), "path": f"{number:05d}.png"} for number, image in enumerate(images)]
    features = {"image": {"_type": "Image"}, "label": {"names": list(wanted.classes), "_type": "ClassLabel"}}
    kinds = held.struct([("bytes", held.binary()), ("path", held.string())])
    table = held.table({"image": held.array(rows, kinds), "label": held.array(labels, held.int64())})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    with atomic_path(path) as temporary:
        file.write_table(table, temporary)
