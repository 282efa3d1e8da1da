"""Synthetic sets as files, and what they decode to."""

import json

import pytest
import torch
from references import enlarged
from safetensors.torch import save_file
from tiny import noise

from udd.errors import UserError
from udd.synthetic import sets as synthetic
from udd.synthetic.regions import corner_boxes, grid_boxes
from udd.synthetic.sets import SyntheticSet, training_images

METADATA = {"dataset": "tiny", "classes": ["a", "b"], "mean": [0.5], "std": [0.2], "config": {"ipc": 2}, "provenance": {"code": "abc"}}


def a_set(whole: bool = True) -> SyntheticSet:
    boxes = corner_boxes(9, ["third", "half"]) if whole else grid_boxes(9, 2)
    regions = (noise(4, len(boxes), seed=1) < 0.4).to(torch.uint8)
    return SyntheticSet(noise(4, 1, 9, 9).float(), torch.tensor([0, 0, 1, 1]), regions, boxes, METADATA | {"whole": whole})


def test_a_set_comes_back_as_it_was_and_the_same_set_gives_the_same_bytes(tmp_path):
    made, paths = a_set(), [tmp_path / "a" / "one", tmp_path / "two"]
    for path in paths:
        synthetic.save(path, made)
    found = synthetic.load(paths[0])
    for name in synthetic.NAMES:
        assert torch.equal(getattr(found, name), getattr(made, name))
    assert found.metadata == made.metadata | {"format": 1}
    shuffled = made._replace(metadata=dict(reversed(made.metadata.items())))
    synthetic.save(paths[1], shuffled)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("use", ["stored", "all", "none"])
def test_decoding_is_image_by_image_and_window_by_window(whole, use):
    made = a_set(whole)
    images, labels = training_images(made, use)
    expected: list[tuple[torch.Tensor, int]] = []
    if whole or use == "none":
        expected += [(image, int(label)) for image, label in zip(made.images, made.labels, strict=True)]
    for i in range(4):
        for n, box in enumerate(made.windows.tolist()):
            if use == "all" or (use == "stored" and made.regions[i, n]):
                expected.append((enlarged(made.images[i], box), int(made.labels[i])))
    torch.testing.assert_close(images, torch.stack([image for image, _ in expected]), rtol=0, atol=1e-6)
    assert labels.tolist() == [label for _, label in expected]
    assert images.min() >= 0 and images.max() <= 1


def test_a_coreset_decodes_to_its_images():
    made = a_set()._replace(regions=torch.zeros(4, 0, dtype=torch.uint8), windows=torch.zeros(0, 4, dtype=torch.int64))
    images, labels = training_images(made)
    assert torch.equal(images, made.images) and torch.equal(labels, made.labels)


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
    refused(path, "found a set of format None, expected 1")
    save_file({"images": torch.zeros(1)}, path, {"udd": json.dumps({"format": 0})})
    refused(path, "found a set of format 0, expected 1")
    save_file({"images": torch.zeros(1)}, path, {"udd": json.dumps({"format": 1})})
    refused(path, "not a whole synthetic set")
    save_file({"images": torch.zeros(1)}, path, {"udd": "{"})
    refused(path, "not a whole synthetic set")
