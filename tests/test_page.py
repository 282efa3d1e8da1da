"""The page of a set: one file that needs nothing else, in which every text is text."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fakes
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from tiny import noise

import udd
from udd import judge, own
from udd.config import params, plan
from udd.errors import UserError
from udd.evaluation.accuracy import TrainingSet, evaluate
from udd.interface import DEFAULTS
from udd.reports import show
from udd.reports.figures import gallery
from udd.reports.judged import Judged
from udd.reports.names import Labels
from udd.reports.page import licence, page
from udd.reports.pictures import curve_svg, read_curve
from udd.synthetic.decoding import every
from udd.synthetic.regions import corner_boxes
from udd.synthetic.sets import SyntheticSet

EVIL = '<b>&"'
VOID = {"meta", "img"}
QUICK = ["--networks", "2", "--epochs", "2", "--device", "cpu"]
SMALL = ["outer=1", "inner=3", "width=4", "net_images=4", "batch_real=4", "net_batch=4"]


class Balance(HTMLParser):
    """Tags that are open, text that is shown, and whatever the page would fetch."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.shown, self.fetched, self.seen = [], [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def checked(text: str) -> Balance:
    """The page, once it is sound: tags in pairs, nothing from elsewhere, no script."""
    found = Balance(text)
    assert text.startswith("<!doctype html>") and not found.open and not found.seen & {"script", "link", "iframe", "b>"}
    assert found.fetched and all(each.startswith("data:image/png;base64,") for each in found.fetched)
    assert not re.search(r"https?:|url\(|@import", text)
    return found


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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with grey images of an odd class in flowers/, and what `udd distill` makes of them."""
    folder = tmp_path_factory.mktemp("page")
    fakes.write_tree(folder / "flowers", (EVIL, "rose"), n=3, mode="L", size=(16, 16))
    own.run([str(folder / "flowers"), "--out", str(folder / "set.safetensors"), *QUICK, "--set", *SMALL])
    return folder


def test_distilling_ones_images_leaves_a_page_beside_the_gallery(place: Path):
    text = "".join(checked((place / "set.html").read_text()).shown)
    assert all(
        word in text for word in ("flowers by UDD", "grey", "n = 2", "By class", "iteration 1", "loss_gradient", EVIL)
    )
    assert read_curve(place / "set.csv")["iteration"].tolist() == [1, 2, 3]
    assert udd.load(place / "set.safetensors").metadata["provenance"]["inputs"] in text


def test_accuracy_by_class_changes_no_accuracy(place: Path):
    made, data = udd.load(place / "set.safetensors"), udd.dataset(place / "flowers")
    recipe = plan.merged(params.load([DEFAULTS]), "evaluate", plan.Cell("mnist", 1, "udd")) | {"epochs": 3, "width": 4}
    images, labels = every(made)
    recipe = recipe | {"augment": ["color", "crop"], "cutmix_p": 0.0}
    found = udd.evaluate(made, data, 2, device="cpu", **recipe)
    config = {"set": made.metadata["config"], "protocol": "python", "architecture": "convnet3", "evaluate": recipe}
    alone = [
        evaluate(
            config | {"network": number}, data, TrainingSet(images, labels, None, len(images)), torch.device("cpu")
        )
        for number in range(2)
    ]
    assert found.values == [each["accuracy"] for each in alone]
    assert [np.mean(classes) for classes in found.by_class] == pytest.approx(found.values)


def shown(place: Path, *words: str) -> str:
    show.run([str(place / "set.safetensors"), "--html", str(place / "again.html"), *words])
    return "".join(checked((place / "again.html").read_text()).shown)


def test_show_writes_a_page_with_what_was_judged(place: Path, capsys: pytest.CaptureFixture):
    judge.run(
        [
            str(place / "set.safetensors"),
            "--dataset",
            str(place / "flowers"),
            *QUICK,
            "--width",
            "4",
            "--out",
            str(place / "judged.json"),
        ]
    )
    text = shown(place, "--record", str(place / "judged.json"), "--curve", str(place / "set.csv"))
    row = json.loads((place / "judged.json").read_text())["rows"][0]
    assert (
        "By class" in text
        and "beside it" in text
        and "random, 1 a class" in text
        and "random, 13 a class where it has so many" in text
        and str(place / "again.html") in capsys.readouterr().out
    )
    assert np.mean(row["by_class"]) == pytest.approx(row["accuracy"])  # the classes have as many test images each
    assert "Accuracy" not in shown(place)


def test_labels_call_method_and_data_set_on_the_page_and_in_the_gallery(place: Path, monkeypatch: pytest.MonkeyPatch):
    drawn: list[Labels] = []
    of_set = gallery.of_set
    monkeypatch.setattr(
        gallery, "of_set", lambda made, most, labels: drawn.append(labels) or of_set(made, most, labels)
    )
    assert "flowers by Windows & $P$" in shown(place, "--label", "Windows & $P$") and "flowers by UDD" in shown(place)
    assert "<17> & more by -CFC" in shown(place, "--label=-CFC", "--dataset-label=<17> & more")
    assert drawn == [Labels("", "Windows & $P$"), Labels(), Labels("<17> & more", "-CFC")]
    two = udd.load(place / "set.safetensors")
    two = two._replace(images=torch.cat([two.images] * 2), labels=torch.cat([two.labels] * 2))
    (figure, bare) = (of_set(two, 10, Labels("of $", "a $")), of_set(two, 10))
    assert [axis.get_title() for axis in figure.axes] == [
        r"a \$"
    ] and figure.get_suptitle() == r"of \$, 2 images per class"
    assert [axis.get_title() for axis in bare.axes] == ["UDD"] and bare.get_suptitle() == "flowers, 2 images per class"
    plt.close(figure)
    plt.close(bare)


def test_a_gallery_leaves_no_figure_open(place: Path):
    before = plt.get_fignums()
    assert show.png(udd.load(place / "set.safetensors"), 10).startswith(b"\x89PNG") and plt.get_fignums() == before


def test_show_reads_a_record_of_the_workflow_and_no_other_sets(place: Path):
    config = udd.load(place / "set.safetensors").metadata["config"]
    record = {"config": {"set": config, "architecture": "resnet18", "protocol": "idc"}, "epochs": 5, "steps": 7}
    record["networks"] = {"0": {"accuracy": 40.0}, "1": {"accuracy": 50.0}}
    (place / "record.json").write_text(json.dumps(record))
    assert "ResNet-18, protocol idc, 5 epochs, 7 SGD steps" in shown(place, "--record", str(place / "record.json"))
    record["config"]["set"] = config | {"ipc": 7}
    (place / "record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="a record of another set: ipc is 7"):
        shown(place, "--record", str(place / "record.json"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "found no accuracies"),
        ('{"rows": [{}], "dataset": "flowers"}', "not a whole record"),
        ('{"rows": [1], "dataset": "x"}', "on x"),
    ],
)
def test_a_file_without_accuracies_is_refused(place: Path, content: str, said: str):
    (place / "other.json").write_text(content)
    with pytest.raises(UserError, match=said):
        shown(place, "--record", str(place / "other.json"))


def test_a_record_without_a_page_is_bad_usage(place: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as error:
        show.run([str(place / "set.safetensors"), "--record", "a.json"])
    assert error.value.code == 2 and "say where with --html PAGE" in capsys.readouterr().err
