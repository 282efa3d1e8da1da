"""Labels in other people's files: one-hot, soft ones that come to less than 1, logits; rates in NumPy's types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign import GOOD, LABELS, RGB, a_set
from hypothesis import given, settings
from hypothesis import strategies as st

from udd.synthetic.formats import content, exported, imported

WHOLE = torch.zeros(0, 4, dtype=torch.int64)
PLACE = Path("labels.pt")


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.bool, torch.float32])
def test_one_hot_labels_are_classes(kind: torch.dtype, tmp_path: Path):
    torch.save([GOOD, torch.eye(3)[[2, 0, 1]].to(kind)], path := tmp_path / "data.pt")
    assert imported(path, "idc", RGB).labels.tolist() == [2, 0, 1]


@settings(deadline=None)
@given(seed=st.integers(0, 99), digits=st.integers(2, 6))
def test_probabilities_cut_to_few_digits_are_no_logits(seed: int, digits: int):
    exact = torch.rand(5, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(1)
    cut = (exact * 10**digits).round() / 10**digits
    cut[:, 0] = (cut[:, 0] + 0.04).clamp(max=1)  # no sum is 1
    scaled = content.soft(PLACE, cut.float()).double()
    torch.testing.assert_close(scaled, cut / cut.sum(1, keepdim=True), rtol=0, atol=1e-6)


def test_that_probabilities_are_scaled_is_told(capsys: pytest.CaptureFixture):
    content.soft(PLACE, torch.full((2, 2), 0.49))
    assert "labels.pt: labels are shares that come to 0.980 to 0.980; scaled to 1" in capsys.readouterr().err
    assert torch.equal(content.soft(PLACE, torch.tensor([[75.0, 25], [0, 100]])), torch.tensor([[0.75, 0.25], [0, 1]]))
    assert "come to 100.000 to 100.000; scaled to 1" in capsys.readouterr().err
    content.soft(PLACE, torch.tensor([[0.4, 0.4], [0.3, 0.4]]))
    assert "labels are logits" in capsys.readouterr().err
    content.soft(PLACE, torch.tensor([[0.25, 0.75]]))
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["mtt", "ddranking"])
def test_soft_labels_go_out_as_the_logits_that_others_take_the_softmax_of(name: str, tmp_path: Path, capsys):
    soft = torch.tensor([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0]])
    exported(a_set(RGB, soft, WHOLE, True), tmp_path / "images_best.pt", name, RGB)
    written = torch.load(tmp_path / "labels_best.pt", weights_only=True)
    torch.testing.assert_close(written.softmax(1), soft)
    assert written.isfinite().all() and "are written as their logarithms" in capsys.readouterr().err


@pytest.mark.parametrize("rate", [np.float64(0.25), np.float32(0.5), torch.nn.Parameter(torch.tensor(0.125))])
def test_a_rate_may_be_numpys_or_a_parameter(rate: np.floating | torch.nn.Parameter, tmp_path: Path, recwarn):
    path = tmp_path / "images_best.pt"
    exported(a_set(RGB, LABELS, WHOLE, True, rate=0.5), path, "mtt", RGB)
    torch.save(rate, tmp_path / "lr_best.pt")
    assert imported(path, "mtt", RGB).metadata["rate"] == float(rate.item()) and not recwarn.list
