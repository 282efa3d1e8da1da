"""Cells of tables and the statistics in them: how they are spelt, ties, escaping, paired intervals."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from udd.reports import cells
from udd.reports.cells import Measured, mark_best
from udd.reports.quoted import Quoted
from udd.reports.statistics import Difference, interval, paired, summary

QUOTED = Quoted(68.9, 0.5, (), "", "")


# Cells


def test_cells_in_latex():
    assert cells.tex(Measured(54.64, 0.42, 15), {}) == r"$54.6\,{\scriptstyle\pm\,0.4}$"
    assert cells.tex(Measured(54.64, 0.42, 15, True), {}) == r"$\mathbf{54.6}\,{\scriptstyle\pm\,0.4}$"
    assert cells.tex(Measured(54.64, None, 1), {}) == "$54.6$"
    assert cells.tex(QUOTED, {}) == r"$\mathit{68.9}\,{\scriptstyle\pm\,0.5}^{\dagger }$"
    assert cells.tex(Difference(-0.44, -1.0, 0.21, 3, "seeds"), {}) == r"$-0.4\;[-1.0,\,+0.2]$"
    assert cells.tex(None, {}) == "--"


def test_cells_in_markdown():
    assert cells.markdown(Measured(54.64, 0.42, 15, True), {}) == "**54.6** ± 0.4"
    assert cells.markdown(QUOTED, {}) == "*68.9 ± 0.5*†"
    doubted, letters = QUOTED._replace(notes=("close", "idc")), {"idc": "a", "close": "b"}
    assert cells.markdown(doubted, letters) == "*68.9 ± 0.5*†b,a"
    assert cells.tex(doubted, letters) == r"$\mathit{68.9}\,{\scriptstyle\pm\,0.5}^{\dagger b,a}$"
    assert cells.markdown(Difference(0.44, None, None, 1, "networks"), {}) == "+0.4"
    assert cells.markdown("a|b", {}) == r"a\|b"


def test_names_are_escaped_for_latex():
    assert cells.escape(r"my_data & 5 % of $x^2 {a}~b\c #1 ±†×") == (
        r"my\_data \& 5 \% of \$x\textasciicircum{}2 \{a\}\textasciitilde{}b\textbackslash{}c \#1 "
        r"$\pm$$^\dagger$$\times$"
    )


def test_the_best_is_marked_with_its_ties_as_printed():
    marked = mark_best([Measured(54.64, 0.1, 3), Measured(54.59, 0.1, 3), Measured(54.4, 0.1, 3), None, QUOTED])
    assert [cell.best for cell in marked if isinstance(cell, Measured)] == [True, True, False]
    assert marked[3:] == [None, QUOTED]


def test_one_measured_cell_beside_quoted_ones_is_not_the_best():
    assert mark_best([Measured(10.0, 0.1, 3), QUOTED]) == [Measured(10.0, 0.1, 3), QUOTED]


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8))
def test_the_marked_are_those_that_print_as_the_maximum(means):
    marked = mark_best([Measured(mean, None, 1) for mean in means])
    texts = [float(f"{mean:.1f}") for mean in means]
    assert [cell.best for cell in marked if isinstance(cell, Measured)] == [text == max(texts) for text in texts]


# Statistics


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=10))
def test_the_interval_is_scipys(values):
    found = interval(values)
    assert found is not None
    if statistics.stdev(values) > 1e-6:
        expected = stats.t.interval(0.95, len(values) - 1, loc=statistics.fmean(values), scale=stats.sem(values))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_difference_is_paired_over_seeds_with_networks_averaged():
    ours = {(seed, network): 50.0 + seed + network for seed in range(3) for network in range(2)}
    theirs = {(seed, network): 49.0 + network for seed in range(3) for network in range(2)} | {(9, 0): 1.0}
    found = paired(ours, theirs)
    expected = stats.ttest_rel([50.5, 51.5, 52.5], [49.5, 49.5, 49.5]).confidence_interval(0.95)
    assert found is not None and (found.mean, found.n, found.unit) == (2.0, 3, "seeds")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_with_one_seed_the_difference_is_paired_over_networks():
    found = paired({(0, 0): 3.0, (0, 1): 5.0}, {(0, 0): 1.0, (0, 1): 2.0})
    assert found is not None and (found.mean, found.n, found.unit) == (2.5, 2, "networks")
    assert (found.low, found.high) == pytest.approx(stats.ttest_rel([3, 5], [1, 2]).confidence_interval(0.95))


def test_without_common_runs_there_is_no_difference():
    assert paired({(0, 0): 1.0}, {(1, 0): 1.0}) is None
    assert paired({(0, 0): 2.0}, {(0, 0): 1.0}) == Difference(1.0, None, None, 1, "networks")


def test_one_value_has_no_standard_deviation():
    assert summary([5.0]) == (5.0, None, 1)
