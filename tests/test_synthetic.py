"""Synthetic sets as files, and what they decode to."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny import noise

from udd.errors import UserError
from udd.synthetic import sets as synthetic
from udd.synthetic.regions import corner_boxes, grid_boxes
from udd.synthetic.sets import SyntheticSet

METADATA = {
    "dataset": "tiny",
    "classes": ["a", "b"],
    "mean": [0.5],
    "std": [0.2],
    "config": {"ipc": 2},
    "provenance": {"code": "abc"},
}


def a_set(whole: bool = True) -> SyntheticSet:
    boxes = corner_boxes(9, ["third", "half"]) if whole else grid_boxes(9, 2)
    return SyntheticSet(noise(4, 1, 9, 9).float(), torch.tensor([0, 0, 1, 1]), boxes, METADATA | {"whole": whole})


def test_a_set_comes_back_as_it_was_and_the_same_set_gives_the_same_bytes(tmp_path):
    made, paths = a_set(), [tmp_path / "a" / "one", tmp_path / "two"]
    for path in paths:
        synthetic.save(path, made)
    found = synthetic.load(paths[0])
    for name in synthetic.NAMES:
        assert torch.equal(getattr(found, name), getattr(made, name))
    assert found.metadata == made.metadata | {"format": 2}
    shuffled = made._replace(metadata=dict(reversed(made.metadata.items())))
    synthetic.save(paths[1], shuffled)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def refused(path, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        synthetic.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_truncated_or_foreign_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "set.safetensors"
    refused(path, "no such set; make it with snakemake or pull it with dvc pull")
    synthetic.save(path, a_set())
    whole = path.read_bytes()
    for share in (0.0, 0.1, 0.6, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        refused(path, "not a whole synthetic set .*; delete it and make it again")
    save_file({"images": torch.zeros(1)}, path)
    refused(path, "found a set of format None, expected 2")
    save_file({"images": torch.zeros(1)}, path, {"udd": json.dumps({"format": 0})})
    refused(path, "found a set of format 0, expected 2")
    save_file({"images": torch.zeros(1)}, path, {"udd": json.dumps({"format": 2})})
    refused(path, "not a whole synthetic set")
    save_file({"images": torch.zeros(1)}, path, {"udd": "{"})
    refused(path, "not a whole synthetic set")
    save_file({"images": torch.zeros(1)}, path, {"udd": "[1]"})
    refused(path, "found a set of format None, expected 2")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": torch.zeros(4, 9, 9)}, r"images are torch.float32 \[4, 9, 9\], expected floats"),
        ({"images": torch.zeros(4, 1, 9, 9).byte()}, "images are torch.uint8"),
        ({"labels": torch.tensor([0, 0, 1])}, r"labels are torch.int64 \[3\] of 4 images"),
        ({"labels": torch.tensor([0, 0, 1, 1, 1])}, r"labels are torch.int64 \[5\] of 4 images"),
        ({"labels": torch.tensor([0, 0, 1, 2])}, "labels run from 0 to 2, of 2 classes"),
        ({"labels": torch.zeros(4, 3)}, r"labels are torch.float32 \[4, 3\] of 4 images"),
        ({"labels": torch.zeros(4)}, r"labels are torch.float32 \[4\] of 4 images"),
        ({"windows": torch.tensor([[5, 0, 5, 4]])}, "windows reach beyond its images of side 9"),
        ({"windows": torch.tensor([[0, 0, 0, 4]])}, "windows reach beyond"),
        ({"windows": torch.zeros(3, 2).long()}, r"windows are torch.int64 \[3, 2\]"),
        (
            {"metadata": {key: value for key, value in METADATA.items() if key != "config"} | {"whole": True}},
            "its metadata has no config",
        ),
    ],
)
def test_a_set_that_does_not_hold_together_is_refused(changes, words, tmp_path):
    synthetic.save(tmp_path / "set.safetensors", a_set()._replace(**changes))
    refused(tmp_path / "set.safetensors", f"not a set of this package: {words}")
