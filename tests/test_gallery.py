"""Galleries: what a sheet of images is, whatever classes are called and however many images they have."""

from __future__ import annotations

import warnings
from io import BytesIO

import matplotlib.pyplot as plt
import pytest
import torch

from udd.errors import UserError
from udd.reports.figures import gallery
from udd.reports.figures.style import mosaic
from udd.synthetic.sets import SyntheticSet


def test_a_gallery_of_one_image_a_class_puts_ten_in_a_row():
    images = [[torch.full((1, 2, 2), float(label))] for label in range(12)]
    assert [len(row) for row in gallery.ten_a_row(images)] == [10, 2]


@pytest.mark.parametrize("most", [0, -1, "ten", None])
def test_a_gallery_of_no_images_is_refused(most):
    made = SyntheticSet(torch.rand(1, 1, 8, 8), torch.zeros(1), torch.zeros(0, 4), {})
    with pytest.raises(UserError, match="most: found .*, expected a whole number, 1 or more"):
        made.show(most)


@pytest.mark.parametrize("ipc", [1, 2])
def test_a_gallery_of_a_set_shows_names_as_they_are_and_leaves_out_classes_without_images(ipc):
    """Dollars are dollars, a letter without a glyph is another's, and no name is too long."""
    about = {"dataset": "shop", "classes": ["$5_to_$10", "猫", "empty", "x" * 99], "config": {"variant": "udd"}}
    labels = torch.tensor([0, 1, 3]).repeat_interleave(ipc)
    made = SyntheticSet(torch.rand(3 * ipc, 1, 8, 8), labels, torch.zeros(0, 4, dtype=torch.int64), about)
    with warnings.catch_warnings(action="error"):
        figure = gallery.of_set(made, 10)
        figure.savefig(BytesIO(), format="png")
    shown = (
        figure.axes[0].get_title()
        if ipc == 1
        else " ".join(each.get_text() for each in figure.axes[0].get_yticklabels())
    )
    assert r"\$5_to_\$10" in shown and "empty" not in shown and len(shown) < 60
    plt.close(figure)
    if ipc > 1:
        figure = gallery.of_set(made._replace(images=made.images.repeat(2, 1, 1, 1), labels=labels.repeat(2)), 3)
        assert figure.get_suptitle() == "shop, 4 images per class (3 shown)"
        plt.close(figure)


def test_a_mosaic_keeps_every_pixel_apart():
    sheet = mosaic([[torch.zeros(1, 2, 2), torch.full((1, 2, 2), 0.5)], [torch.zeros(1, 2, 2)]])
    assert sheet.shape == (5, 5, 3)
    assert (
        (sheet[:2, :2] == 0).all()
        and (sheet[:2, 3:] == 0.5).all()
        and (sheet[2] == 1).all()
        and (sheet[3:, 3:] == 1).all()
    )


def test_soft_labels_are_shown_by_their_largest():
    about = {"dataset": "shop", "classes": ["a", "b"], "config": {"variant": "udd"}}
    soft = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    figure = gallery.of_set(SyntheticSet(torch.rand(3, 1, 8, 8), soft, torch.zeros(0, 4, dtype=torch.int64), about), 10)
    assert figure.get_suptitle() == "shop, 2 images per class"
    plt.close(figure)
