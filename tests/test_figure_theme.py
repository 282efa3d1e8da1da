"""Figures look alike whoever draws them, and the caller's own matplotlib stays as it was."""

import subprocess
import sys

import matplotlib
import torch
from matplotlib import pyplot as plt

from udd.reports.figures.style import COLOURS, start, themed
from udd.synthetic.sets import SyntheticSet

SCRIPT = """
import matplotlib
matplotlib.use("svg")
before = dict(matplotlib.rcParams)
import udd.reports.figures.gallery
assert dict(matplotlib.rcParams) == before, "an import changed them"
"""


def a_set() -> SyntheticSet:
    about = {"dataset": "shop", "classes": ["a", "b"], "config": {"variant": "udd"}}
    return SyntheticSet(torch.rand(2, 1, 8, 8), torch.arange(2), torch.zeros(0, 4, dtype=torch.int64), about)


def test_an_import_changes_no_setting_of_matplotlib():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


def test_a_shown_set_leaves_no_figure_open_and_changes_no_setting():
    before, numbers = dict(matplotlib.rcParams), plt.get_fignums()
    figure = a_set().show()
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows
    assert dict(matplotlib.rcParams) == before and plt.get_fignums() == numbers


def test_a_callers_settings_change_no_byte_of_a_figure():
    plain = a_set()
    first = plain.show()._repr_png_()
    with matplotlib.rc_context({"axes.titlesize": 30, "font.size": 20, "axes.facecolor": "red"}):
        assert plain.show()._repr_png_() == first


def test_lines_have_the_colours_of_the_palette():
    with themed():
        _, axes = start(2, 2)
        lines = [axes[0, 0].plot([0, 1], [0, number])[0].get_color() for number in range(3)]
    assert lines == COLOURS[:3]
