"""bfloat16 on a CPU that emulates it is said before work starts."""

from pathlib import Path

import pytest
import torch

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
    assert not precision.emulated(torch.device("cuda"), tmp_path / "cpuinfo") and not precision.emulated(CPU, tmp_path / "absent")


def test_one_line_says_what_it_costs(monkeypatch, capsys):
    monkeypatch.setattr(precision, "emulated", lambda _: True)
    precision.warn("float32", CPU)
    assert capsys.readouterr().err == ""
    precision.warn("bfloat16", CPU)
    said = capsys.readouterr().err
    assert said.startswith("precision: bfloat16: this CPU emulates it, a convolution takes ") and said.count("\n") == 1
    assert precision.slowdown() > 0
