"""Curves in figures: averaged over spans, a panel for each loss that a method logs; what is no curve is one line."""

import numpy as np
import pytest

from udd.errors import UserError
from udd.reports.figures import curves


def test_curves_are_averaged_over_spans():
    assert curves.averaged(np.arange(1000.0)).tolist() == pytest.approx((np.arange(200) * 5 + 2).tolist())
    assert curves.averaged(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such curve"), ("iteration,outer\n1,2\n", "column loss_gradient is missing")]
)
def test_a_curve_that_is_not_there_or_not_whole_is_one_line(text, message, tmp_path):
    if text:
        (tmp_path / "curve.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        curves.read_curve(tmp_path / "curve.csv")


def test_a_panel_shows_what_a_method_logs_by_its_own_name(tmp_path):
    (tmp_path / "curve.csv").write_text(
        "iteration,outer,loss,cross_entropy,grad_norm,seconds\n1,0,3.0,1.0,2.0,1\n2,0,2.0,0.5,1.0,2\n"
    )
    found = curves.read_curve(tmp_path / "curve.csv")
    assert [curves.column_of(found, names) for names in curves.PANELS] == ["loss", "cross_entropy", "grad_norm", ""]
