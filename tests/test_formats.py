"""Sets in other people's files: what is written is read again; what is not what it was
said to be is refused in one line."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from udd.data.parquet import class_names, shard
from udd.errors import UserError
from udd.synthetic import formats
from udd.synthetic.decoding import every
from udd.synthetic.formats import FORMATS, Found, Wanted, content, exported, imported, whitening
from udd.synthetic.formats.statistics import DC, statistics
from udd.synthetic.regions import corner_boxes, grid_boxes
from udd.synthetic.sets import SyntheticSet

CLASSES = ["cat", "dog", "ant"]
RGB = Wanted("cifar10", CLASSES, (3, 8, 8), [0.5] * 3, [0.29] * 3)
GREY = Wanted("mnist", CLASSES, (1, 8, 8), [0.5], [0.29])
HALF = 0.5 / 255 + 1e-6  # what rounding to a byte changes
PLACE = {
    "idc": "data.pt",
    "dc": "res_DM_X_ConvNet_1ipc.pt",
    "mtt": "images_best.pt",
    "frepo": "a.npz",
    "kip": "b.npz",
    "npz": "c.npz",
}
PLACE |= {"ddranking": "images.pt", "folder": "images", "parquet": "train-00000-of-00001.parquet"}
BYTES = ("folder", "npz", "parquet")
TOLD = {"frepo": ([0.0], [1.0]), "kip": ([0.3], [0.2])}  # what no such file says of itself


def a_set(
    want: Wanted, labels: torch.Tensor, boxes: torch.Tensor, whole: bool, seed: int = 0, **more: object
) -> SyntheticSet:
    images = torch.rand(len(labels), *want.shape, generator=torch.Generator().manual_seed(seed))
    metadata = {
        "dataset": want.dataset,
        "classes": want.classes,
        "mean": want.mean,
        "std": want.std,
        "whole": whole,
        "config": {"ipc": 2},
    } | more
    return SyntheticSet(images, labels, boxes, metadata)


def told(name: str, want: Wanted) -> Wanted:
    """What is said of a file beside its format."""
    if name not in TOLD:
        return want
    mean, std = TOLD[name]
    return want._replace(normalised=(mean * want.shape[0], std * want.shape[0]))


def sent(made: SyntheticSet, name: str, folder: Path, want: Wanted) -> SyntheticSet:
    """A set that went out in a format and came back."""
    path = folder / PLACE[name]
    assert exported(made, path, name, told(name, want)) > 0
    return imported(path, name, told(name, want))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("want", [RGB, GREY], ids=["rgb", "grey"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 3), min_size=3, max_size=3), seed=st.integers(0, 99))
def test_what_goes_out_comes_back(name: str, want: Wanted, counts: list[int], seed: int, tmp_path_factory) -> None:
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))  # any number of images a class
    made = a_set(want, labels, torch.zeros(0, 4, dtype=torch.int64), True, seed)
    found = sent(made, name, tmp_path_factory.mktemp("sent"), want)
    exact = name in ("idc", "frepo")
    atol = 0.0 if exact else HALF if name in BYTES else 1e-6
    torch.testing.assert_close(found.images, made.images, rtol=0, atol=atol)
    assert torch.equal(found.labels, labels) and found.metadata["config"]["ipc"] == max(counts)


@pytest.mark.parametrize("name", FORMATS)
def test_windows_go_out_decoded_unless_the_format_has_grids(name: str, tmp_path: Path, capsys) -> None:
    labels = torch.tensor([0, 0, 1, 2])
    for boxes, whole in ((grid_boxes(8, 2), False), (corner_boxes(8, ["half"]), True)):
        made, folder = a_set(RGB, labels, boxes, whole), tmp_path / f"{whole}"
        grid = name == "idc" and not whole
        found = sent(made, name, folder, RGB._replace(factor=2 if grid else 1))
        images, of = every(found)
        expected, classes = every(made)
        order = classes.argsort(stable=True)
        torch.testing.assert_close(
            images[of.argsort(stable=True)], expected[order], rtol=0, atol=HALF if name in BYTES else 1e-6
        )
        assert ("written decoded" in capsys.readouterr().err) != grid and len(found.images) == (
            4 if grid else len(expected)
        )


@pytest.mark.parametrize("name", ["idc", "dc", "mtt", "ddranking", "frepo"])
def test_soft_labels_stay_soft_and_a_rate_its_value(name: str, tmp_path: Path) -> None:
    soft = torch.rand(3, 3, generator=torch.Generator().manual_seed(1)).softmax(1)[:, [0, 1, 2]]
    soft = soft[soft.argmax(1).argsort(stable=True)]
    found = sent(a_set(RGB, soft, torch.zeros(0, 4, dtype=torch.int64), True, rate=0.015), name, tmp_path, RGB)
    torch.testing.assert_close(found.labels, soft)
    assert found.metadata.get("rate") == (pytest.approx(0.015) if name == "mtt" else None)


def test_logits_are_taken_as_such_and_a_regressions_targets_as_classes(tmp_path: Path, capsys) -> None:
    images, logits = torch.rand(3, 3, 8, 8), torch.tensor([[2.0, -1, 0], [0, 3, 0], [0, 0, 1]])
    FORMATS["mtt"].write(tmp_path / "images_best.pt", Found(images, logits), RGB)
    torch.testing.assert_close(imported(tmp_path / "images_best.pt", "mtt", RGB).labels, logits.softmax(1))
    assert "logits" in capsys.readouterr().err
    np.savez(tmp_path / "kip.npz", images=images.movedim(1, -1).numpy(), labels=logits.numpy() - 0.1)
    none = RGB._replace(normalised=([0.0] * 3, [1.0] * 3))
    assert imported(tmp_path / "kip.npz", "kip", none).labels.tolist() == [0, 1, 2]
    np.savez(tmp_path / "kip.npz", images=images.movedim(1, -1).numpy(), labels=np.full((3, 3), np.nan))
    with pytest.raises(UserError, match="not finite"):
        imported(tmp_path / "kip.npz", "kip", none)


def test_bytes_are_read_as_bytes_and_a_step_beyond_is_kept(tmp_path: Path, capsys) -> None:
    pixels = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    torch.save([pixels, torch.arange(3)], tmp_path / "data.pt")
    assert torch.equal(imported(tmp_path / "data.pt", "idc", RGB).images, pixels.float() / 255)
    images = torch.rand(3, 3, 8, 8)
    images[0, 0, 0, 0] = 1.01
    torch.save([images, torch.arange(3)], tmp_path / "data.pt")
    assert (
        torch.equal(imported(tmp_path / "data.pt", "idc", RGB).images, images)
        and "0.17 % of the pixels lie outside" in capsys.readouterr().err
    )


def test_a_normalisation_that_is_said_is_undone_or_refused_never_left_unread(tmp_path: Path) -> None:
    made = torch.rand(3, 3, 8, 8)
    by = ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3])
    want = RGB._replace(normalised=by)
    torch.save([content.normalised(made, by), torch.arange(3)], tmp_path / "data.pt")
    torch.testing.assert_close(imported(tmp_path / "data.pt", "idc", want).images, made)
    for name in BYTES:
        path = tmp_path / PLACE[name]
        exported(a_set(RGB, torch.arange(3), torch.zeros(0, 4, dtype=torch.int64), True), path, name, RGB)
        with pytest.raises(UserError, match=f"--as {name} is bytes, which are not normalised"):
            imported(path, name, want)


def test_pixels_far_beyond_as_dm_leaves_them_are_kept_and_go_out_as_bytes_at_the_bounds(tmp_path: Path, capsys) -> None:
    """What VICO-UoE/DatasetCondensation writes after 200 iterations of DM, or 100 of DC from noise,
    runs from -1.04 to 2.04."""
    # In units of a deviation
    made = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)).clamp(-2.4, 2.4) * 3
    torch.save({"data": [[made, torch.arange(3)]], "accs_all_exps": {}}, tmp_path / "res.pt")
    want = RGB._replace(mean=DC["cifar10"][0], std=[0.247, 0.244, 0.262])  # CIFAR-10's own
    found = imported(tmp_path / "res.pt", "dc", want)
    assert found.images.min() < -0.9 and found.images.max() > 1.9
    torch.testing.assert_close(found.images, content.unnormalised(made, DC["cifar10"]))
    assert "networks see them as they are" in capsys.readouterr().err
    for name in BYTES:
        path = tmp_path / PLACE[name]
        exported(found, path, name, want)
        assert "a byte cannot hold" in capsys.readouterr().err
        torch.testing.assert_close(
            imported(path, name, want, anyway=True).images, found.images.clamp(0, 1), rtol=0, atol=HALF
        )


def test_normalised_pixels_that_lie_near_are_told_by_their_channels(tmp_path: Path) -> None:
    """Digits by DC's normalisation run from -0.42 to 2.82: not further than DM goes."""
    want = GREY._replace(mean=[0.1307], std=[0.3081])
    digits = torch.where(torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2)) < 0.85, 0.0, 1.0)
    torch.save([content.normalised(digits, DC["mnist"]), torch.arange(3)], tmp_path / "data.pt")
    with pytest.raises(UserError, match="was it normalised otherwise"):
        imported(tmp_path / "data.pt", "idc", want)


def test_the_last_experiment_counts(tmp_path: Path) -> None:
    images = [torch.rand(3, 3, 8, 8) for _ in range(2)]
    data = [[content.normalised(each, DC["cifar10"]), torch.arange(3)] for each in images]
    torch.save({"data": data, "accs_all_exps": {}}, tmp_path / "res.pt")
    torch.testing.assert_close(imported(tmp_path / "res.pt", "dc", RGB).images, images[1])


def test_a_parquet_file_is_of_the_same_classes_and_of_the_hubs_kind(tmp_path: Path) -> None:
    made, path = (
        a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True),
        tmp_path / "train-00000-of-00001.parquet",
    )
    exported(made, path, "parquet", RGB)
    assert class_names({}, tmp_path, [[shard(path)]]) == CLASSES  # as one's own data set of the Hub's is read
    with pytest.raises(UserError, match="its classes are cat, dog, ant"):
        imported(path, "parquet", RGB._replace(classes=["dog", "cat", "ant"]))
    with pytest.raises(UserError, match="hard labels, these are soft"):
        exported(a_set(RGB, torch.eye(3), torch.zeros(0, 4, dtype=torch.int64), True), path, "parquet", RGB)


def test_images_of_more_than_a_byte_are_not_cut_to_one(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / name / "0.png")
    with pytest.raises(UserError, match="more than 8 bits a channel"):
        imported(tmp_path, "folder", GREY)


def test_a_folder_of_dc_bench_holds_one_file_or_is_asked_about(tmp_path: Path) -> None:
    made, bench = a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True), tmp_path / "distilled_results"
    for ipc in (1, 10):
        exported(made, bench / f"DM/CIFAR10/IPC{ipc}/res_DM_CIFAR10_ConvNet_{ipc}ipc.pt", "dc", RGB)
    torch.testing.assert_close(imported(bench / "DM" / "CIFAR10" / "IPC10", "dc", RGB).images, made.images)
    with pytest.raises(UserError, match="found 2 files, as DM/CIFAR10/IPC1/res_DM_CIFAR10_ConvNet_1ipc.pt; name one"):
        imported(bench, "dc", RGB)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="found no res_"):
        imported(tmp_path / "empty", "dc", RGB)


@pytest.mark.parametrize("name", ["mtt", "dc", "frepo", "kip"])
def test_whitened_images_come_back_by_the_statistics_of_the_whitening(name: str, tmp_path: Path) -> None:
    """As kornia whitens: by U (S + eps)^-1/2 U'; without the statistics, or by others, the images are refused."""
    pixels = torch.rand(400, 192, generator=torch.Generator().manual_seed(0))
    u, s, _ = torch.linalg.svd((pixels - pixels.mean(0)).T.cov())
    torch.save(
        {"mean": pixels.mean(0, keepdim=True), "inverse": u @ torch.diag((s + 0.1).sqrt()) @ u.T}, tmp_path / "zca.pt"
    )
    made = a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    want = RGB._replace(normalised=whitening.read(tmp_path / "zca.pt", 192))
    exported(made, path := tmp_path / PLACE[name], name, want)
    torch.testing.assert_close(imported(path, name, want).images, made.images, rtol=0, atol=1e-5)
    with pytest.raises(UserError):
        imported(path, name, RGB._replace(normalised=([0.0] * 3, [1.0] * 3)))
    with pytest.raises(UserError, match="mean .27. and inverse"):
        whitening.read(tmp_path / "zca.pt", 27)
    torch.save({"mean": torch.full((192,), torch.nan), "inverse": torch.eye(192)}, tmp_path / "zca.pt")
    with pytest.raises(UserError, match="not finite"):
        whitening.read(tmp_path / "zca.pt", 192)


class Harm:
    """What a crafted pickle would run."""

    def __reduce__(self):
        return print, ("harm",)


GOOD, LABELS = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(3)), torch.arange(3)
BAD = {
    "a shape": ([GOOD[0], LABELS], "expected a tensor \\[n, K, H, W\\]"),
    "a side": ([GOOD[..., :4, :4], LABELS], "name its data set"),
    "NaN": ([GOOD.clone().index_fill(0, torch.tensor([1]), torch.nan), LABELS], "192 pixels are not finite"),
    "too few labels": ([GOOD, LABELS[:2]], "found 2 labels for 3 images"),
    "a label too large": ([GOOD, LABELS + 1], "labels run from 1 to 3, cifar10 has 0 to 2"),
    "fractions": ([GOOD, LABELS + 0.5], "expected whole numbers"),
    "soft NaN": ([GOOD, torch.full((3, 3), torch.nan)], "not finite"),
    "one label": ([GOOD, LABELS[0]], "found no labels for 3 images"),
    "complex": ([GOOD.to(torch.complex64), LABELS], "images are a tensor of torch.complex64"),
    "one tensor": (GOOD, "expected a list of images and targets"),
    "a dict": ({"data": []}, "expected a list of images and targets"),
    "normalised": ([content.normalised(GOOD, DC["cifar10"]), LABELS], "pixels run from -2.4. to 2.7., expected 0 to 1"),
    "flat": ([0.5 + 0.05 * (GOOD - 0.5), LABELS], "was it normalised otherwise"),
    "code": ([GOOD, Harm()], "can run code"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_file_is_refused_in_one_line(name: str, tmp_path: Path, capsys) -> None:
    value, words = BAD[name]
    torch.save(value, path := tmp_path / "data.pt")
    with pytest.raises(UserError, match=words) as error:
        imported(path, "idc", RGB)
    assert str(path) in str(error.value) and "\n" not in str(error.value) and "harm" not in capsys.readouterr().out


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("data", [b"", b"not a file of anything", pickle.dumps({"data": 1})])
def test_rubbish_is_refused_in_one_line(name: str, data: bytes, tmp_path: Path) -> None:
    (path := tmp_path / PLACE[name]).write_bytes(data)
    with pytest.raises(UserError) as error:
        imported(path, name, told(name, RGB))
    assert str(path) in str(error.value) and "\n" not in str(error.value) and "unsafe" not in str(error.value)


def test_unnormalised_images_read_as_normalised_ones_are_found_out(tmp_path: Path) -> None:
    want = RGB._replace(normalised=([0.5] * 3, [0.05] * 3))
    torch.save({"data": [[GOOD, LABELS]]}, path := tmp_path / "res.pt")
    with pytest.raises(UserError, match="--anyway takes it as it is"):
        imported(path, "dc", want)
    assert imported(path, "dc", want, anyway=True).images.std() < 0.1


def test_a_folder_may_be_named_by_numbers_and_misses_no_class(tmp_path: Path) -> None:
    made = a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    exported(made, path := tmp_path / "images", "folder", RGB)
    for label, name in enumerate(CLASSES):
        (path / name).rename(path / f"{label:05d}")
    assert imported(path, "folder", RGB).labels.tolist() == [0, 1, 2]
    (path / "00001").rename(tmp_path / "away")
    with pytest.raises(UserError, match="no folder dog or 1"):
        imported(path, "folder", RGB)
    with pytest.raises(UserError, match="there already"):
        exported(made, path, "folder", RGB)


def test_folders_keep_the_order_of_classes_and_names_with_a_stroke(tmp_path: Path, capsys) -> None:
    """DD-Ranking reads folders by the alphabet."""
    want = RGB._replace(classes=["T-shirt/top", "Ankle boot", "dog"])
    made = a_set(want, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    for name, said in (("folder", "by the alphabet"), ("ddranking", "")):
        exported(made, tmp_path / name, name, want)
        assert said in capsys.readouterr().err and imported(tmp_path / name, name, want).labels.tolist() == [0, 1, 2]
    assert sorted(each.name for each in (tmp_path / "ddranking").iterdir()) == ["0000", "0001", "0002"]


def test_conventions_are_known_by_the_start_of_a_name() -> None:
    assert statistics("dc", "cifar10-40k") == DC["cifar10"] and statistics("dc", "CIFAR-100") == DC["cifar100"]
    assert statistics("ddranking", "cifar100") == DC["cifar10"]
    with pytest.raises(UserError, match="no mean and deviation known for flowers"):
        statistics("dc", "flowers")
    assert set(formats.FACTOR) <= set(FORMATS)
