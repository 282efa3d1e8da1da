"""Files that are no set in the format that they are said to be: refused in one line, and no code of theirs runs."""

import pickle
from pathlib import Path

import pytest
import torch
from foreign import GOOD, LABELS, PLACE, RGB, told

from udd.errors import UserError
from udd.synthetic.formats import FORMATS, content, imported
from udd.synthetic.formats.statistics import DC


class Harm:
    """What a crafted pickle would run."""

    def __reduce__(self):
        return print, ("harm",)


BAD = {
    "a shape": ([GOOD[0], LABELS], "expected a tensor \\[n, K, H, W\\]"),
    "a side": ([GOOD[..., :4, :4], LABELS], "name its data set"),
    "NaN": ([GOOD.clone().index_fill(0, torch.tensor([1]), torch.nan), LABELS], "192 pixels are not finite"),
    "too few labels": ([GOOD, LABELS[:2]], "found 2 labels for 3 images"),
    "a label too large": ([GOOD, LABELS + 1], "labels run from 1 to 3, cifar10 has 0 to 2"),
    "fractions": ([GOOD, LABELS + 0.5], "expected whole numbers"),
    "soft NaN": ([GOOD, torch.full((3, 3), torch.nan)], "not finite"),
    "one label": ([GOOD, LABELS[0]], "found no labels for 3 images"),
    "complex": ([GOOD.to(torch.complex64), LABELS], "images are a tensor of torch.complex64"),
    "one tensor": (GOOD, "expected a list of images and targets"),
    "a dict": ({"data": []}, "expected a list of images and targets"),
    "normalised": ([content.normalised(GOOD, DC["cifar10"]), LABELS], "pixels run from -2.4. to 2.7., expected 0 to 1"),
    "flat": ([0.5 + 0.05 * (GOOD - 0.5), LABELS], "was it normalised otherwise"),
    "channels last": ([GOOD.movedim(1, -1), LABELS], "its channels are last: save it with .movedim\\(-1, 1\\)"),
    "sparse": ([GOOD.to_sparse(), LABELS], "images are a sparse tensor of torch.float32"),
    "two ones": ([GOOD, torch.ones(3, 3, dtype=torch.int64)], "or one-hot or soft ones \\[3, 3\\]"),
    "arrays": ([GOOD.numpy(), LABELS], "holds NumPy arrays; save them as tensors"),
    "code": ([GOOD, Harm()], "can run code"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_file_is_refused_in_one_line(name: str, tmp_path: Path, capsys) -> None:
    value, words = BAD[name]
    torch.save(value, path := tmp_path / "data.pt")
    with pytest.raises(UserError, match=words) as error:
        imported(path, "idc", RGB)
    assert str(path) in str(error.value) and "\n" not in str(error.value) and "harm" not in capsys.readouterr().out


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("data", [b"", b"not a file of anything", pickle.dumps({"data": 1})])
def test_rubbish_is_refused_in_one_line(name: str, data: bytes, tmp_path: Path) -> None:
    (path := tmp_path / PLACE[name]).write_bytes(data)
    with pytest.raises(UserError) as error:
        imported(path, name, told(name, RGB))
    assert str(path) in str(error.value) and "\n" not in str(error.value) and "unsafe" not in str(error.value)
