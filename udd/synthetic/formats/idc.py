"""IDC and its descendants (Acc-DD, DREAM, DANCE, NCFM): `data.pt`, a list of images and targets,
not normalised, undecoded.

snu-mllab/Efficient-Dataset-Condensation, condense.py and test.py: images float32 [C IPC, K, H, W] in
[0, 1], class by class; a factor x factor grid of small ones each, of which the file says nothing. The
published files hold a byte a value.
"""

from __future__ import annotations

from pathlib import Path

from udd.errors import UserError
from udd.synthetic.formats import pickles
from udd.synthetic.formats.content import Found, Wanted, as_images, as_labels, normalised, unnormalised


def read(path: Path, wanted: Wanted) -> Found:
    """The images and targets of a file. Raises UserError if it is another."""
    found = pickles.read(path)
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise UserError(
            f"{path}: found {type(found).__name__}, expected a list of images and targets; is it of another format?"
        )
    images = as_images(path, found[0], wanted)
    labels = as_labels(path, found[1], len(images), wanted)
    floats = found[0].is_floating_point()  # bytes are not normalised
    return Found(unnormalised(images, wanted.normalised) if wanted.normalised and floats else images, labels)


def write(path: Path, found: Found, wanted: Wanted) -> None:
    """Write the list; not normalised, unless it was said how."""
    pickles.write(
        path, [normalised(found.images, wanted.normalised) if wanted.normalised else found.images, found.labels]
    )
