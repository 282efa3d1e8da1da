"""The page of a set: one file that needs nothing else, in which every text is text."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import torch
from markup import EVIL, checked
from tiny import noise

from udd.reports import show
from udd.reports.judged import Judged
from udd.reports.page import licence, page
from udd.synthetic.regions import corner_boxes
from udd.synthetic.sets import SyntheticSet


def a_set(channels: int = 3, per_class: int = 2, **more: Any) -> SyntheticSet:
    images, classes = noise(3 * per_class, channels, 9, 9).float(), [EVIL, "rose", "a\udcff\nb"]
    config = {
        "dataset": {"name": "tiny", "kind": "npz"},
        "ipc": per_class,
        "variant": "udd<i>",
        "seed": 0,
        "method": "udd",
        "distill": {"outer": 7},
    }
    metadata = {"dataset": "tiny", "classes": classes, "mean": [0.5], "std": [0.2], "whole": True, "config": config}
    metadata["provenance"] = {"git": "abc123", "inputs": "d1g", "versions": {"torch": "2.0"}, "device": "a <CPU>"}
    return SyntheticSet(
        images, torch.arange(3).repeat_interleave(per_class), corner_boxes(9, ["third", "half"]), metadata | more
    )


def test_a_class_of_any_name_is_text():
    text = page(a_set(), 'a"set.safetensors', Judged([50.0, 60.0], "a <net>", [1.0, 2.0, 3.0], [("random <1>", [9.0])]))
    found = checked(text)
    assert (
        "<b>&" not in text
        and "<i>" not in text
        and "<CPU>" not in text
        and EVIL in found.shown
        and "udd<i>" in "".join(found.shown)
    )
    assert "a\ufffd\ufffdb" in text and text.encode()


def test_the_page_says_where_a_set_comes_from_and_how_it_was_made():
    text = "".join(checked(page(a_set(), "x.safetensors")).shown)
    assert all(
        word in text
        for word in ("abc123", "d1g", "versions.torch", "distill.outer", 'udd.load("x.safetensors")', "As your images")
    )
    assert (
        "6 images, 2 a class, 3 classes, 9 x 9 pixels, colour." in text
        and "8, the same on every image" in text
        and "54 images in all" in text
    )
    assert "Accuracy" not in text and "Loss" not in text


def test_the_licence_of_known_data_is_named():
    made = a_set()
    config = made.metadata["config"] | {"dataset": {"name": "svhn", "kind": "svhn"}}
    assert "non-commercial" in page(made._replace(metadata=made.metadata | {"config": config}), "x")
    assert "As your images" in page(made._replace(metadata=made.metadata | {"config": {"variant": "x"}}), "x")
    assert "Krizhevsky" in licence({"config": {"dataset": {"name": "cifar10"}}}) and "As your" in licence(
        {"config": {"dataset": {"name": "pets"}}}
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("per_class", [1, 3])
def test_soft_labels_grey_images_and_sets_without_windows(channels: int, per_class: int, tmp_path: Path):
    made = a_set(channels, per_class, rate=0.25)
    soft = made._replace(
        labels=torch.full((len(made.images), 3), 0.1) + 0.7 * torch.eye(3)[made.labels], windows=made.windows[:0]
    )
    shown = checked(page(soft, "x", most=2))
    text = "".join(shown.shown)
    assert (
        "soft labels" in text
        and "learned rate 0.25" in text
        and "None: networks are trained" in text
        and len(shown.fetched) == 3
    )
    assert ("rose (2 of 3)" in text) == (per_class == 3)
    assert show.png(soft._replace(metadata=soft.metadata | {"classes": ["a", "b", "c"]}), 2).startswith(b"\x89PNG")


def test_a_class_without_images_and_a_large_set_have_a_page(monkeypatch: pytest.MonkeyPatch):
    made = a_set()
    assert "no image" in "".join(
        checked(page(made._replace(images=made.images[:4], labels=made.labels[:4]), "x")).shown
    )
    monkeypatch.setattr("udd.reports.page.PIXELS", 9 * 9 * 2)
    text = "".join(checked(page(made, "x")).shown)
    assert "The first 2 of 3 classes." in text and "rose (1 of 2)" in text


def test_an_embedded_page_is_one_that_chromium_opens():
    """A data URI of noise, which no PNG makes smaller, with windows and every class's accuracy."""
    made = a_set()
    images = torch.rand(9, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    made = made._replace(
        images=images, labels=torch.arange(3).repeat_interleave(3), windows=torch.tensor([[0, 0, 112, 112]])
    )
    whole, text = (
        page(made, "x", Judged([40.0, 50.0], "ConvNet-3", [10.0, 20.0, 30.0]), embedded=each) for each in (False, True)
    )
    assert len(base64.b64encode(text.encode())) < 2**21 < len(
        base64.b64encode(whole.encode())
    ) and "rose (1 of 3)" in "".join(checked(text).shown)


def test_accuracy_has_n_an_interval_and_classes():
    text = "".join(
        checked(
            page(a_set(), "x", Judged([40.0, 50.0], "ConvNet-3", [10.0, 20.0, 30.0], [("random, 1 a class", [9.0])]))
        ).shown
    )
    assert "45.0 ± 7.1 % (n = 2, 95 % interval -18.5 to 108.5)" in text and "By class" in text and "20.0 %" in text
    assert "9.0 % (n = 1)" in text and "By class" not in page(a_set(), "x", Judged([40.0], "ConvNet-3"))
