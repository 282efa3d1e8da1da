"""ZCA whitening by its statistics, which no set's file holds: kornia's ZCAWhitening(eps=0.1, compute_inv=True), as MTT
fits it to pixels in [0, 1].

x = whitened @ inverse + mean, over all pixels of an image in PyTorch's order (kornia/enhance/zca.py:
`transform_inv`, `mean_vector`).
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from udd.errors import UserError
from udd.synthetic.formats import pickles
from udd.synthetic.formats.content import Whitening


def read(path: Path, pixels: int) -> Whitening:
    """The statistics in a file of torch.save: a dict of `mean` [D] and `inverse` [D, D], D pixels an image. Raises
    UserError if it is another."""
    found = pickles.read(path)
    mean, inverse = (found.get(key) if isinstance(found, dict) else None for key in ("mean", "inverse"))
    if (
        not isinstance(mean, Tensor)
        or not isinstance(inverse, Tensor)
        or mean.numel() != pixels
        or tuple(inverse.shape) != (pixels, pixels)
    ):
        raise UserError(f"{path}: expected a dict of tensors, mean [{pixels}] and inverse [{pixels}, {pixels}]")
    if not mean.isfinite().all() or not inverse.isfinite().all():
        raise UserError(f"{path}: mean or inverse is not finite")
    return Whitening(mean.detach().float().view(-1), inverse.detach().float())
