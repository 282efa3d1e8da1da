"""The picture of the losses on a set's page; a file that is no curve is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from udd.errors import UserError
from udd.reports.pictures import curve_svg, read_curve


def write_curve(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_losses_of_zeros_and_numbers_that_are_none_are_left_out(tmp_path: Path):
    path = write_curve(
        tmp_path / "a.csv", "iteration,outer,loss,loss_cfc,seconds", "1,0,100,0,1", "2,0,nan,0,2", "3,0,1,0,3"
    )
    drawn = curve_svg(read_curve(path))
    assert drawn.count("<polyline") == 1 and "nan" not in drawn and "logarithmic" in drawn
    assert "No finite losses" in curve_svg(read_curve(write_curve(path, "iteration,loss", "1,nan")))
    assert "<polyline" in curve_svg(read_curve(write_curve(path, "iteration,loss", "1,2")))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["iteration,seconds", "1,2"], "found the columns iteration, seconds, expected"),
        (["iteration,loss", "1,a"], "not a curve"),
        (["iteration,loss", "1"], "not a curve"),
        ([""], "found no rows, expected"),
    ],
)
def test_a_file_that_is_no_curve_is_refused(tmp_path: Path, lines: list[str], said: str):
    with pytest.raises(UserError, match=said) as error:
        read_curve(write_curve(tmp_path / "a.csv", *lines))
    assert "a.csv" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError, match="no such curve"):
        read_curve(tmp_path / "b.csv")
