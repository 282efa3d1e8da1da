"""`udd show`: the page of a set that was distilled, with its curve, labels and what was judged."""

from __future__ import annotations

import json
from pathlib import Path

import fakes
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from markup import EVIL, checked

import udd
from udd import judge, own
from udd.config import params, plan
from udd.config.params import DEFAULTS
from udd.errors import UserError
from udd.evaluation.accuracy import TrainingSet, evaluate
from udd.reports import show
from udd.reports.figures import gallery
from udd.reports.names import Labels
from udd.reports.pictures import read_curve
from udd.synthetic.decoding import every

QUICK = ["--networks", "2", "--epochs", "2", "--device", "cpu"]
SMALL = ["outer=1", "inner=3", "width=4", "net_images=4", "batch_real=4", "net_batch=4"]


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
