"""Classes of fewer images than IPC: refused, or, where asked for, kept with as many images as they have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fakes import image
from tiny import dataset

import udd
from udd import own
from udd.data import Dataset
from udd.errors import UserError

QUICK = {"outer": 1, "inner": 2, "width": 4, "net_images": 4, "batch_real": 4, "net_batch": 4, "device": "cpu"}


def uneven() -> Dataset:
    """Three classes of 7, 3 and 1 training images."""
    found = dataset()
    index = torch.cat([(found.train_labels == label).nonzero()[:count, 0] for label, count in enumerate((7, 3, 1))])
    return found._replace(train_images=found.train_images[index], train_labels=found.train_labels[index])


@pytest.mark.parametrize("method", ["udd", "random", "herding"])
def test_a_smaller_class_is_refused_and_the_way_out_is_named(method: str, tmp_path: Path):
    with pytest.raises(
        UserError,
        match=r"ipc 4: the smallest class of tiny has 1 training images; .*smaller_classes=True \(udd distill "
        r"--smaller",
    ):
        udd.distill(uneven(), method, 4, checkpoint=tmp_path / "run")


@pytest.mark.parametrize("method", ["udd", "idc", "dm"])
def test_a_smaller_class_keeps_as_many_images_as_it_has(method: str, tmp_path: Path):
    made = udd.distill(uneven(), method, 4, checkpoint=tmp_path / "run", smaller_classes=True, **QUICK)
    assert torch.bincount(made.labels).tolist() == [4, 3, 1] and len(made.images) == 8
    assert (
        made.metadata["provenance"]["smaller_classes"] == {"class 1": 3, "class 2": 1}
        and made.metadata["config"]["ipc"] == 4
    )
    made.save(tmp_path / "set.safetensors")
    found = udd.evaluate(udd.load(tmp_path / "set.safetensors"), uneven(), 1, epochs=1, width=4, device="cpu")
    assert len(found.values) == 1
    made.show()


@pytest.mark.parametrize("method", ["random", "herding", "forgetting"])
def test_a_coreset_has_all_images_of_a_smaller_class_once(method: str):
    more = {} if method == "random" else {"width": 4, "epochs": 1}
    data = uneven()
    made = udd.distill(data, method, 4, smaller_classes=True, device="cpu", **more)
    assert torch.bincount(made.labels).tolist() == [4, 3, 1]
    real = data.train_images[data.train_labels == 1].float() / 255
    assert sorted(each.sum().item() for each in made.images[made.labels == 1]) == pytest.approx(
        sorted(each.sum().item() for each in real)
    )


@pytest.mark.parametrize("method", ["udd", "random"])
def test_without_smaller_classes_the_asking_changes_nothing(method: str, tmp_path: Path):
    more = QUICK if method == "udd" else {"device": "cpu"}
    first, second = (
        udd.distill(dataset(), method, 2, checkpoint=tmp_path / "run", smaller_classes=asked, **more)
        for asked in (False, True)
    )
    assert torch.equal(first.images, second.images) and "smaller_classes" not in second.metadata["provenance"]


def test_the_command_and_the_page_say_which_classes(tmp_path: Path, capsys: pytest.CaptureFixture):
    for part in ("train", "test"):
        for name, count in (("big", 4), ("<small>", 1 if part == "train" else 4)):
            for number in range(count):
                path = tmp_path / "pets" / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image("RGB", (16, 16), number + len(name)).save(path)
    words = [
        str(tmp_path / "pets"),
        "--ipc",
        "3",
        "--out",
        str(tmp_path / "set.safetensors"),
        "--networks",
        "0",
        "--device",
        "cpu",
    ]
    words += ["--set", *(f"{key}={value}" for key, value in QUICK.items() if key != "device")]
    with pytest.raises(UserError, match="--smaller-classes"):
        own.run(words)
    own.run([*words[:1], "--smaller-classes", *words[1:]])
    assert "images of class <small>: 1, as many as it has" in capsys.readouterr().out
    text = (tmp_path / "set.html").read_text()
    assert "1 to 3 a class" in text and "smaller_classes.&lt;small&gt;" in text
    own.run([*words[:1], "--smaller-classes", "--json", *words[1:]])
    assert json.loads(capsys.readouterr().out)["smaller_classes"] == {"<small>": 1}
