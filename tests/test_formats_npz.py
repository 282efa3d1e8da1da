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


@pytest.mark.parametrize("dtype", ["int64", ">u2", "uint8", "i1"])
def test_bytes_may_be_whole_numbers_of_any_width(dtype: str, tmp_path: Path) -> None:
    pixels = (GOOD * 127).byte()
    np.savez(tmp_path / "a.npz", train_images=pixels.movedim(1, -1).numpy().astype(dtype), train_labels=LABELS.numpy())
    assert torch.equal(imported(tmp_path / "a.npz", "npz", RGB, anyway=True).images, pixels.float() / 255)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (GOOD.double().numpy(), "a.npz: float64 images, expected whole numbers 0 to 255; save them as uint8, or read"),
        (np.full((3, 3, 8, 8), 256), "a.npz: images from 256 to 256, expected 0 to 255; save them as uint8"),
        (np.full((3, 3, 8, 8), -1), "a.npz: images from -1 to -1, expected 0 to 255"),
    ],
)
def test_what_no_byte_holds_is_told_what_helps(images: np.ndarray, words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=np.moveaxis(images, 1, -1), train_labels=LABELS.numpy())
    with pytest.raises(UserError, match=words) as error:
        imported(tmp_path / "a.npz", "npz", RGB)
    assert "\n" not in str(error.value)
