"""bfloat16: what it rounds; that a CPU emulates it is said before work starts."""

from pathlib import Path

import pytest
import torch
from evaluating import CONFIG, RECIPE, dataset, images

from udd.evaluation import accuracy as evaluate
from udd.networks import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f\n", True),
        ("flags\t\t: fpu avx2 avx512_bf16\n", False),
        ("flags : amx_bf16\n", False),
        ("Features : bf16\n", False),
    ],
)
def test_it_is_read_off_the_cpu(tmp_path: Path, text: str, expected: bool):
    (tmp_path / "cpuinfo").write_text(text)
    assert precision.emulated(CPU, tmp_path / "cpuinfo") == expected
    assert not precision.emulated(torch.device("cuda"), tmp_path / "cpuinfo") and not precision.emulated(
        CPU, tmp_path / "absent"
    )


def test_one_line_says_what_it_costs(monkeypatch, capsys):
    monkeypatch.setattr(precision, "emulated", lambda _: True)
    precision.warn("float32", CPU)
    assert capsys.readouterr().err == ""
    precision.warn("bfloat16", CPU)
    said = capsys.readouterr().err
    assert said.startswith("precision: bfloat16: this CPU emulates it, a convolution takes ") and said.count("\n") == 1
    assert precision.slowdown() > 0


def test_bfloat16_rounds_what_convolutions_and_products_take_and_nothing_else():
    recipe, pixels = RECIPE | {"precision": "bfloat16"}, images(6, 3)[0]
    rounding, _ = evaluate.begin(CONFIG | {"evaluate": recipe}, dataset(), torch.device("cpu"))
    plain, _ = evaluate.begin(CONFIG, dataset(), torch.device("cpu"))
    assert all(
        torch.equal(*pair) and pair[0].dtype == torch.float32
        for pair in zip(rounding.parameters(), plain.parameters(), strict=True)
    )
    with torch.autocast("cpu", torch.bfloat16):
        expected = plain.network(pixels).float()
    found = rounding(pixels)
    assert found.dtype == torch.float32 and torch.equal(found, expected) and not torch.equal(found, plain(pixels))
    torch.testing.assert_close(found, plain(pixels), rtol=0.05, atol=0.05)
    assert torch.equal(plain(pixels), plain.network(pixels))
