"""Sets in other people's files: what is written is read again, in every format."""

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign import BYTES, CLASSES, GREY, HALF, LABELS, RGB, a_set, sent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import dataset

from udd import foreign, importing
from udd.data.parquet import class_names, shard
from udd.errors import UsageError, UserError
from udd.synthetic.decoding import every
from udd.synthetic.formats import FORMATS, Found, Wanted, content, exported, imported
from udd.synthetic.formats.statistics import DC
from udd.synthetic.regions import corner_boxes, grid_boxes


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
        said = capsys.readouterr().err
        assert ("read them with --factor 1" in said) == (name == "idc" and not grid)
        assert ("written decoded" in said) != grid and len(found.images) == (4 if grid else len(expected))


@pytest.mark.parametrize("name", ["idc", "mtt", "ddranking", "frepo"])
def test_soft_labels_stay_soft_and_a_rate_its_value(name: str, tmp_path: Path) -> None:
    soft = torch.rand(3, 3, generator=torch.Generator().manual_seed(1)).softmax(1)[:, [0, 1, 2]]
    soft = soft[soft.argmax(1).argsort(stable=True)]
    found = sent(a_set(RGB, soft, torch.zeros(0, 4, dtype=torch.int64), True, rate=0.015), name, tmp_path, RGB)
    torch.testing.assert_close(found.labels, soft)
    assert found.metadata.get("rate") == (pytest.approx(0.015) if name in ("mtt", "ddranking") else None)


def test_soft_labels_that_were_rounded_sum_to_one_again(tmp_path: Path) -> None:
    soft = torch.rand(3, 3, generator=torch.Generator().manual_seed(1)).softmax(1)
    FORMATS["mtt"].write(tmp_path / "images_best.pt", Found(torch.rand(3, 3, 8, 8), soft * 1.0005), RGB)
    found = imported(tmp_path / "images_best.pt", "mtt", RGB).labels
    torch.testing.assert_close(found, soft, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.sum(1), torch.ones(3), rtol=0, atol=1e-6)


def test_images_go_out_class_by_class(tmp_path: Path) -> None:
    made = a_set(RGB, torch.tensor([2, 0, 1, 0]), torch.zeros(0, 4, dtype=torch.int64), True)
    exported(made, tmp_path / "data.pt", "idc", RGB)
    images, labels = torch.load(tmp_path / "data.pt", weights_only=True)
    assert labels.tolist() == [0, 0, 1, 2] and torch.equal(images, made.images[[1, 3, 2, 0]])


@pytest.mark.parametrize("name", ["dc", "npz", "folder", "parquet"])
def test_a_format_of_hard_labels_takes_no_soft_ones(name: str, tmp_path: Path) -> None:
    soft = a_set(RGB, torch.eye(3), torch.zeros(0, 4, dtype=torch.int64), True)
    with pytest.raises(UserError, match="hard labels, these are soft"):
        exported(soft, tmp_path / "out", name, RGB)
    assert not any(tmp_path.iterdir())


def test_a_refused_export_leaves_what_stood_there(tmp_path: Path) -> None:
    path, none = tmp_path / "images_best.pt", torch.zeros(0, 4, dtype=torch.int64)
    exported(a_set(RGB, torch.arange(3), none, True, rate=0.5), path, "mtt", RGB)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    unknown = RGB._replace(dataset="flowers", normalised=None)
    with pytest.raises(UserError, match="flowers"):
        exported(a_set(unknown, torch.arange(3).flip(0), none, True), path, "mtt", unknown)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before and len(before) == 3


def test_labels_that_cannot_be_written_leave_the_images_that_stood_there(tmp_path: Path) -> None:
    path, none = tmp_path / "images_best.pt", torch.zeros(0, 4, dtype=torch.int64)
    path.write_bytes(b"before")
    (tmp_path / "lr_best.pt").write_bytes(b"before")
    (tmp_path / "labels_best.pt").mkdir()
    with pytest.raises((UserError, OSError)):
        exported(a_set(RGB, torch.arange(3), none, True, rate=0.5), path, "mtt", RGB)
    assert path.read_bytes() == (tmp_path / "lr_best.pt").read_bytes() == b"before"


def test_a_folder_where_one_stands_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(a_set(RGB, torch.arange(3), torch.zeros(0, 4, dtype=torch.int64), True), tmp_path / "shown", "folder", RGB)
    monkeypatch.chdir(tmp_path / "shown")
    found = imported(Path("."), "folder", RGB).metadata
    assert (found["config"]["variant"], found["provenance"]["imported"]["file"]) == ("shown", "shown")


def test_logits_are_taken_as_such_and_a_regressions_targets_as_classes(tmp_path: Path, capsys) -> None:
    images, logits = torch.rand(3, 3, 8, 8), torch.tensor([[2.0, -1, 0], [0, 3, 0], [0, 0, 1]])
    FORMATS["mtt"].write(tmp_path / "images_best.pt", Found(images, torch.arange(3)), RGB)
    torch.save(logits, tmp_path / "labels_best.pt")
    torch.testing.assert_close(imported(tmp_path / "images_best.pt", "mtt", RGB).labels, logits.softmax(1))
    assert "logits" in capsys.readouterr().err
    np.savez(tmp_path / "kip.npz", images=images.movedim(1, -1).numpy(), labels=logits.numpy() - 0.1)
    none = RGB._replace(normalised=([0.0] * 3, [1.0] * 3))
    assert imported(tmp_path / "kip.npz", "kip", none).labels.tolist() == [0, 1, 2]
    np.savez(tmp_path / "kip.npz", images=images.movedim(1, -1).numpy(), labels=np.full((3, 3), np.nan))
    with pytest.raises(UserError, match="not finite"):
        imported(tmp_path / "kip.npz", "kip", none)


def test_the_last_experiment_counts(tmp_path: Path) -> None:
    images = [torch.rand(3, 3, 8, 8) for _ in range(2)]
    data = [[content.normalised(each, DC["cifar10"]), torch.arange(3)] for each in images]
    # Accuracies as DC's code notes them, and those that it was given before (main.py, main_DM.py)
    accuracies = {"ConvNet": [np.float64(44.9), np.float64(45.2)], "best": np.float32(45.2), "n": np.int64(2)}
    torch.save({"data": data, "accs_all_exps": accuracies}, tmp_path / "res.pt")
    torch.testing.assert_close(imported(tmp_path / "res.pt", "dc", RGB).images, images[1])


def test_a_parquet_file_is_of_the_same_classes_and_of_the_hubs_kind(tmp_path: Path) -> None:
    made, path = (
        a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True),
        tmp_path / "train-00000-of-00001.parquet",
    )
    exported(made, path, "parquet", RGB)
    assert class_names({}, tmp_path, [[shard(path)]]) == CLASSES  # as one's own data set of the Hub's is read
    other = imported(path, "parquet", RGB._replace(classes=["ant", "cat", "dog"]))  # in another order: by their names
    assert [["ant", "cat", "dog"][label] for label in other.labels] == [CLASSES[label] for label in LABELS]
    with pytest.raises(UserError, match="its classes are cat, dog, ant"):
        imported(path, "parquet", RGB._replace(classes=["cat", "dog", "bee"]))


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


def test_folders_are_all_taken_by_names_or_all_by_numbers(tmp_path: Path) -> None:
    """Classes 1, 2, 3 in folders 0, 1, 2: what is called 1 is class 2 there."""
    made = a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    exported(made, path := tmp_path / "images", "folder", RGB._replace(classes=["0", "1", "2"]))
    shifted = imported(path, "folder", RGB._replace(classes=["1", "2", "3"]))
    assert torch.equal(shifted.images, imported(path, "folder", RGB._replace(classes=["0", "1", "2"])).images)
    (path / "2").rename(path / "dog")
    with pytest.raises(UserError, match="some folders have the names of classes and some their numbers"):
        imported(path, "folder", RGB._replace(classes=["cat", "bee", "dog"]))


@pytest.mark.parametrize("classes", [["..", "b", "c"], ["", "b", "c"], ["a/b", "a_b", "c"]])
def test_a_class_whose_name_is_no_folder_of_its_own_is_refused(tmp_path: Path, classes: list[str]) -> None:
    made = a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    with pytest.raises(UserError, match="for one class alone; --as ddranking numbers them"):
        exported(made, tmp_path / "images", "folder", RGB._replace(classes=classes))
    assert not (tmp_path / "images").exists()


def test_folders_keep_the_order_of_classes_and_names_with_a_stroke(tmp_path: Path, capsys) -> None:
    """DD-Ranking reads folders by the alphabet."""
    want = RGB._replace(classes=["T-shirt/top", "Ankle boot", "dog"])
    made = a_set(want, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    for name, said in (("folder", "by the alphabet"), ("ddranking", "")):
        exported(made, tmp_path / name, name, want)
        assert said in capsys.readouterr().err and imported(tmp_path / name, name, want).labels.tolist() == [0, 1, 2]
    assert sorted(each.name for each in (tmp_path / "ddranking").iterdir()) == ["0000", "0001", "0002"]


def asked(*words: str) -> foreign.Said:
    """What a command line says of a file of IDC's."""
    return foreign.said(vars(importing.parser().parse_args(["data.pt", "--as", "idc", "--dataset", "tiny", *words])))


@pytest.mark.parametrize("factor", ["0", "-2", "two"])
def test_a_factor_that_is_no_count_is_bad_usage(factor: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        asked(f"--factor={factor}")
    assert f"--factor: found {factor}, expected a whole number, 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(("factor", "most"), [(5, 4), (16, 4), (17, 4), (3, 2)])
def test_a_grids_parts_have_four_pixels_a_side(factor: int, most: int) -> None:
    data = dataset(side=4 * most)
    assert foreign.wanted(asked("--factor", str(most)), data).factor == most
    with pytest.raises(
        UsageError, match=f"--factor: found {factor}, expected 1 to {most}: of the {4 * most} pixels of tiny"
    ):
        foreign.wanted(asked("--factor", str(factor)), data)


def test_the_factor_is_the_formats_own_where_none_is_given() -> None:
    assert (
        foreign.wanted(asked(), dataset()).factor == 2 and foreign.wanted(asked("--factor", "1"), dataset()).factor == 1
    )
