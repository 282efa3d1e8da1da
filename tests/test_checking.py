"""What `udd data check` says of one's own images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import noise
from PIL import Image
from test_data_depth import png

from udd import own
from udd.checking import run, side
from udd.errors import UserError
from udd.synthetic.sets import load

COUNTS = {"train": {"cat": 22, "dog": 2}, "test": {"cat": 2, "dog": 2}}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder with classes of 22 and 2 training images of 20 x 24 pixels."""
    number = 0
    for part, classes in COUNTS.items():
        for name, count in classes.items():
            (tmp_path / "pets" / part / name).mkdir(parents=True)
            for each in range(count):
                Image.fromarray(noise(1, 20, 24, 3, seed=(number := number + 1))[0]).save(
                    tmp_path / "pets" / part / name / f"{each}.png"
                )
    return tmp_path / "pets"


def told(source: Path, capsys, *words: str) -> dict[str, Any]:
    run([str(source), "--json", *words])
    return json.loads(capsys.readouterr().out)


def test_counts_sizes_and_a_beginning(pets: Path, capsys) -> None:
    found = told(pets, capsys)
    assert (
        found["counts"] == COUNTS
        and found["sizes"] == {"different": 1, "smallest side": 20, "largest side": 24}
        and found["modes"] == {"RGB": 28}
    )
    assert found["suggested"]["options"] == ["--ipc", "2", "--size", "16"] and not found["problems"]
    assert [line.split(":")[0].split(";")[0] for line in found["remarks"]] == [
        "the largest class has 22 training images, the smallest 2",
        "fewer than 10 training images",
    ]
    run([str(pets)])
    text = capsys.readouterr().out
    assert f"udd distill {pets} --ipc 2 --size 16" in text and "which takes 2,000 steps" in text


def test_twins_leaks_and_contradictions(pets: Path, capsys) -> None:
    for source, target in (
        ("train/cat/0", "train/cat/a"),
        ("train/cat/1", "test/cat/b"),
        ("train/cat/2", "train/dog/c"),
    ):
        Image.open(pets / f"{source}.png").save(pets / f"{target}.bmp")  # the same pixels in another file
    (pets / "train" / "cat" / "notes.txt").write_text("x")
    found = told(pets, capsys, "--ipc", "2")
    assert found["duplicates"] == [
        ["train/cat/0.png", "train/cat/a.bmp"],
        ["train/cat/1.png", "test/cat/b.bmp"],
        ["train/cat/2.png", "train/dog/c.bmp"],
    ]
    assert found["in_train_and_test"] == [["train/cat/1.png", "test/cat/b.bmp"]] and found["two_classes"] == [
        ["train/cat/2.png", "train/dog/c.bmp"]
    ]
    assert found["left_out"] == {".txt": 1} and len(found["remarks"]) == 4
    assert "1 images are there more than once: train/cat/0.png = train/cat/a.bmp" in found["remarks"]


def test_further_frames_of_an_animation_are_counted(pets: Path, capsys) -> None:
    more = [Image.fromarray(noise(1, 20, 24, 3, seed=seed)[0]) for seed in (91, 92, 93)]
    more[0].save(pets / "train" / "cat" / "moves.gif", save_all=True, append_images=more[1:])
    found = told(pets, capsys, "--ipc", "2")
    assert found["left_out"] == {"further frames": 2} and "not read: 2 further frames" in found["remarks"]


def test_what_cannot_be_read_is_a_problem(pets: Path, capsys) -> None:
    (pets / "train" / "dog" / "0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="1 images cannot be read: train/dog/0.png"):
        run([str(pets), "--json"])
    assert list(json.loads(capsys.readouterr().out)["unreadable"]) == ["train/dog/0.png"]
    (pets / "train" / "dog" / "1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="class dog has no train image"):
        run([str(pets)])


def test_an_npz(tmp_path: Path, capsys) -> None:
    images = noise(6, 8, 8)
    arrays: dict[str, Any] = {
        "train_images": images,
        "train_labels": np.arange(6) % 3,
        "test_images": images[:3],
        "test_labels": np.arange(3),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    found = told(tmp_path / "a.npz", capsys)
    assert (
        found["counts"]["train"] == {"0": 2, "1": 2, "2": 2}
        and found["modes"] == {"L": 9}
        and len(found["in_train_and_test"]) == 3
    )
    assert found["suggested"]["options"] == ["--ipc", "2"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train_labels", np.arange(4), "labels of shape"),
        ("train_labels", np.arange(6) % 3 - 1, "run from -1"),
        ("train_labels", np.arange(6) % 2, "no image of class 2"),
        ("test_images", noise(3, 8, 8, 3), "channels"),
    ],
)
def test_arrays_that_do_not_belong_together(tmp_path: Path, key: str, value: np.ndarray, said: str) -> None:
    """What distilling would refuse is refused here."""
    images = noise(6, 8, 8)
    arrays: dict[str, Any] = {
        "train_images": images,
        "train_labels": np.arange(6) % 3,
        "test_images": images[:3],
        "test_labels": np.arange(3),
    }
    arrays[key] = value
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=said):
        run([str(tmp_path / "a.npz")])


def test_sixteen_bits_are_a_problem_unless_they_are_declared(pets: Path, capsys) -> None:
    for path in pets.rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 200).save(path)
    with pytest.raises(UserError, match="28 images cannot be read: .* more .*depth: 16"):
        run([str(pets)])
    capsys.readouterr()
    found = told(pets, capsys, "--depth", "16")
    assert found["modes"] == {"I;16": 28} and found["suggested"]["options"][-2:] == ["--depth", "16"]
    own.run(
        [
            str(pets),
            "--method",
            "random",
            *found["suggested"]["options"],
            "--networks",
            "0",
            "--out",
            str(pets.parent / "a.safetensors"),
        ]
    )
    assert load(pets.parent / "a.safetensors").images.shape == (4, 1, 16, 16)
    Image.new("RGB", (20, 24)).save(pets / "train/cat/0.png")
    with pytest.raises(UserError, match="1 images cannot be read: train/cat/0.png .8 bits"):
        run([str(pets), "--depth", "16"])


def test_a_channel_that_never_changes(pets: Path, capsys) -> None:
    """It is found before a run is begun, and the run says the same; one image that differs is enough."""
    for path in (pets / "train").rglob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[..., 2] = 7
        Image.fromarray(pixels).save(path)
    with pytest.raises(UserError, match="channel 3 of the training images is constant"):
        run([str(pets)])
    with pytest.raises(UserError, match="a channel of the training images is constant"):
        own.run(
            [
                str(pets),
                "--method",
                "random",
                "--ipc",
                "1",
                "--size",
                "16",
                "--networks",
                "0",
                "--out",
                str(pets.parent / "a.safetensors"),
            ]
        )
    pixels[0, 0, 2] = 8
    Image.fromarray(pixels).save(path)
    capsys.readouterr()
    assert told(pets, capsys)["constant"] == []


@pytest.mark.parametrize(("channels", "expected"), [(1, [1]), (3, [1, 3])])
def test_such_a_channel_of_an_npz(tmp_path: Path, channels: int, expected: list[int]) -> None:
    images = noise(6, 8, 8, channels)
    images[..., [number - 1 for number in expected]] = 0
    labels = np.arange(6) % 3
    np.savez(
        tmp_path / "a.npz",
        train_images=images,
        train_labels=labels,
        test_images=noise(3, 8, 8, channels),
        test_labels=labels[:3],
    )
    with pytest.raises(UserError) as raised:
        run([str(tmp_path / "a.npz")])
    assert [int(part.split()[0]) for part in str(raised.value).split("channel ")[1:]] == expected


def test_sixteen_bits_whose_levels_pillow_does_not_tell_are_readable(pets: Path, capsys) -> None:
    """Big-endian grey; and colour, of which Pillow decodes the upper byte alone, here always 0."""
    for number, path in enumerate(sorted(pets.rglob("*.png"))):
        path.write_bytes(png(noise(1, 20, 24, 3, seed=number)[0].astype(np.uint16)))
    found = told(pets, capsys, "--depth", "16")
    assert found["modes"] == {"RGB": 28} and not found["problems"]
    for number, path in enumerate(sorted(pets.rglob("*.png"))):
        Image.fromarray(noise(1, 20, 24, 1, seed=number)[0, ..., 0].astype(">u2")).save(path.with_suffix(".tif"))
        path.unlink()
    found = told(pets, capsys, "--depth", "16")
    assert found["modes"] == {"I;16B": 28} and not found["problems"]


def test_one_class_is_none(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / part / "cat" / "0.png")
    with pytest.raises(UserError, match="at least two"):
        run([str(tmp_path)])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder or file"):
        run([str(tmp_path / "absent")])
    (tmp_path / "labels.csv").touch()
    with pytest.raises(UserError, match="labels.csv: a file, expected a folder or an .npz"):
        run([str(tmp_path / "labels.csv")])


def test_a_side_that_most_images_have() -> None:
    from udd.inspection import Seen

    assert [
        side([Seen("train", "a", "", (size, 2 * size), "RGB", (), "") for size in sizes])
        for sizes in ([70, 70, 90, 20], [5], [500, 500])
    ] == [
        64,
        16,
        224,
    ]


@pytest.mark.parametrize(("side", "size"), [(64, []), (65, ["--size", "64"]), (160, ["--size", "64"])])
def test_large_images_are_begun_with_smaller(tmp_path: Path, side: int, size: list[str], capsys) -> None:
    """At all their pixels the trial alone may take an hour."""
    images, labels = noise(4, side, side, 1), np.arange(4) % 2
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    assert told(tmp_path / "a.npz", capsys)["suggested"]["options"] == ["--ipc", "2", *size]
    run([str(tmp_path / "a.npz")])
    longer = f"at 64 pixels to begin with; a step at all {side} takes some {(side / 64) ** 2:.0f} times as long"
    assert (longer in capsys.readouterr().out) == bool(size)


@pytest.mark.parametrize("ipc", ["0", "-4", "ten"])
def test_images_a_class_that_are_none_are_bad_usage(pets: Path, ipc: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        run([str(pets), "--ipc", ipc])
    assert "expected a whole number, 1 or more" in capsys.readouterr().err


def test_a_folder_that_looks_like_an_option_is_suggested_as_a_path(pets: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(pets.parent)
    pets.rename("-dash")
    run(["./-dash"])
    assert "udd distill ./-dash --ipc" in capsys.readouterr().out
