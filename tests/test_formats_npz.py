"""npz files of other people's sets: floats need to be told how they were normalised; any type of
numbers is read, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from udd.errors import UserError
from udd.synthetic.formats import imported
from udd.synthetic.formats.content import Wanted

RGB = Wanted("cifar10", ["cat", "dog", "ant"], (3, 8, 8), [0.5] * 3, [0.29] * 3)
GOOD, LABELS = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(3)), torch.arange(3)


def test_floats_of_an_npz_need_to_be_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=GOOD.movedim(1, -1).numpy(), label=LABELS.numpy())
    with pytest.raises(UserError, match="does not say how they were normalised"):
        imported(tmp_path / "a.npz", "frepo", RGB)


@pytest.mark.parametrize(("dtype", "floats"), [("uint16", "f4"), ("uint64", ">f4"), (">i4", ">f8")])
def test_an_npz_may_be_of_any_type_of_numbers(dtype: str, floats: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=GOOD.movedim(1, -1).numpy().astype(floats), label=LABELS.numpy().astype(dtype))
    assert (
        imported(tmp_path / "a.npz", "frepo", RGB._replace(normalised=([0.0] * 3, [1.0] * 3))).labels.tolist()
        == LABELS.tolist()
    )
    np.savez(tmp_path / "a.npz", image=GOOD.movedim(1, -1).numpy(), label=np.array(["a", "b", "c"]))
    with pytest.raises(UserError, match="label is an array of <U1, expected numbers"):
        imported(tmp_path / "a.npz", "frepo", RGB)
