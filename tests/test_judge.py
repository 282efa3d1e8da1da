"""Any set judged by the command: ours, another's, beside random images; and two compared."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import labels, noise

import udd
from udd import compare, device, exporting, importing, judge
from udd.accuracy import Accuracy
from udd.errors import UsageError, UserError

QUICK = ["--networks", "2", "--epochs", "2", "--width", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the data set data.npz and a set of it, ours.safetensors."""
    folder = tmp_path_factory.mktemp("judge")
    parts = {
        "train_images": noise(24, 8, 8, 3),
        "train_labels": labels(24, 3),
        "test_images": noise(12, 8, 8, 3, seed=1),
        "test_labels": labels(12, 3),
    }
    np.savez(folder / "data.npz", **parts)  # type: ignore[arg-type]
    data = udd.dataset(folder / "data.npz")
    udd.distill(
        data,
        "udd",
        1,
        checkpoint=folder / "run",
        outer=1,
        inner=1,
        width=4,
        net_images=4,
        batch_real=4,
        scales=["half"],
        selected=2,
    ).save(folder / "ours.safetensors")
    return folder


def asked(place: Path, *words: str) -> list[str]:
    return [*words, "--dataset", str(place / "data.npz"), *QUICK]


def test_a_set_stands_beside_random_images(place, capsys, tmp_path):
    judge.run([*asked(place, str(place / "ours.safetensors")), "--json", "--out", str(tmp_path / "a.json")])
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "a.json").read_text())
    assert [row["set"] for row in found["rows"]] == ["ours.safetensors", "random, 1 a class", "random, 5 a class"]
    assert [row["training images"] for row in found["rows"]] == [15, 3, 15] and all(
        row["n"] == 2 for row in found["rows"]
    )
    assert [row["steps"] for row in found["rows"]] == [2, 2, 2]


def test_random_images_are_drawn_on_the_device_that_is_asked_for(place, capsys, monkeypatch):
    real, devices = device.setup, []
    for module in ("udd.interface", "udd.accuracy", "udd.foreign"):
        monkeypatch.setattr(f"{module}.setup", lambda *given: devices.append(given[0]) or real(*given), raising=False)
    judge.run(asked(place, str(place / "ours.safetensors")))
    assert set(devices) == {"cpu"} and len(devices) >= 3


def test_best_of_four_is_a_column_of_its_own(place, capsys):
    judge.run([*asked(place, str(place / "ours.safetensors")), "--alone", "--as-published"])
    head, _, line = capsys.readouterr().out.splitlines()
    assert "accuracy, last epoch" in head and "best of 4 (as published)" in head and "ours.safetensors" in line


@pytest.mark.parametrize("name", ["idc", "mtt", "ddranking", "folder", "npz"])
def test_what_is_exported_and_judged_is_what_is_judged_here(place, tmp_path, capsys, name):
    out = tmp_path / {"idc": "data.pt", "folder": "images", "npz": "a.npz"}.get(name, "images_best.pt")
    by = ["--normalised", ".5,.5,.5", ".3,.3,.3"] if name in ("mtt", "ddranking") else []
    exporting.run([str(place / "ours.safetensors"), "--as", name, "--out", str(out), *by])
    importing.run(
        [
            str(out),
            "--as",
            name,
            "--dataset",
            str(place / "data.npz"),
            "--factor",
            "1",
            *by,
            "--out",
            str(tmp_path / "again.safetensors"),
        ]
    )
    capsys.readouterr()
    judge.run([*asked(place, str(out)), "--as", name, "--factor", "1", "--alone", "--json", *by])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    made, data = udd.load(tmp_path / "again.safetensors"), udd.dataset(place / "data.npz")
    assert row["values"] == udd.evaluate(made, data, 2, epochs=2, width=4, device="cpu", checkups=1).values
    assert row["training images"] == 15 and made.metadata["config"]["variant"] == out.stem


def test_soft_labels_and_a_learned_rate_are_trained_with(place, tmp_path, capsys):
    made = udd.load(place / "ours.safetensors")
    soft = made._replace(labels=torch.full((3, 3), 0.1) + 0.7 * torch.eye(3), metadata=made.metadata | {"rate": 0.5})
    soft.save(path := tmp_path / "soft.safetensors")
    results = []
    for more in ([], ["--learned-rate"]):
        judge.run([*asked(place, str(path)), "--alone", "--json", *more])
        results.append(json.loads(capsys.readouterr().out)["rows"][0])
    assert results[0]["set"] == "soft.safetensors (soft labels)" and results[0]["values"] != results[1]["values"]
    with pytest.raises(UserError, match="--learned-rate: .* holds none"):
        judge.run([*asked(place, str(place / "ours.safetensors")), "--learned-rate"])


def test_two_sets_are_compared_over_the_same_networks(place, capsys):
    one = str(place / "ours.safetensors")
    compare.run([*asked(place, one, one), "--json"])
    found = json.loads(capsys.readouterr().out)
    (less,) = found["differences"]
    assert [each["set"] for each in found["sets"]] == less["a"] + less["b"] == [one, one]
    assert less["mean"] == less["low"] == less["high"] == 0 and less["n"] == 2
    compare.run(asked(place, one, one))
    said = capsys.readouterr().out
    assert "difference: +0.0 points, 95 % interval +0.0 to +0.0 over networks" in said and ": the same pixels" in said


def test_sets_of_two_seeds_meet_the_same_networks(place, tmp_path, capsys):
    one = udd.load(place / "ours.safetensors")
    again = one.metadata["config"] | {"seed": 7}
    one._replace(metadata=one.metadata | {"config": again}).save(tmp_path / "other.safetensors")
    compare.run([*asked(place, str(place / "ours.safetensors"), str(tmp_path / "other.safetensors")), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["sets"][0]["values"] == found["sets"][1]["values"] and found["differences"][0]["mean"] == 0


def test_one_network_has_no_deviation(place, capsys):
    one, alone = str(place / "ours.safetensors"), ["--networks", "1"]
    compare.run([*asked(place, one, one), *alone])
    judge.run([*asked(place, one), "--alone", *alone])
    assert "±" not in capsys.readouterr().out
    judge.run([*asked(place, one), "--alone", "--json", *alone])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["std"] is None and row["n"] == 1
    assert "±" not in str(Accuracy([50.0], "convnet3", 1, [50.0])) and "50.0 ± 1.4 %" in str(
        Accuracy([49.0, 51.0], "convnet3", 1, [])
    )


def test_a_folder_that_one_is_in_is_imported_by_its_own_name(place, tmp_path, monkeypatch):
    exporting.run([str(place / "ours.safetensors"), "--as", "folder", "--out", str(tmp_path / "shown")])
    monkeypatch.chdir(tmp_path / "shown")
    importing.run([".", "--as", "folder", "--dataset", str(place / "data.npz")])
    assert len(udd.load(tmp_path / "shown.safetensors").images) == 15


def test_an_import_replaces_no_set_of_ours(place, tmp_path):
    ours, other = tmp_path / "ours.safetensors", tmp_path / "ours.pt"
    udd.load(place / "ours.safetensors").save(ours)
    exporting.run([str(ours), "--as", "idc", "--out", str(other)])
    words, before = (
        [str(other), "--as", "idc", "--factor", "1", "--dataset", str(place / "data.npz")],
        ours.read_bytes(),
    )
    with pytest.raises(UserError, match="another set, which this one would replace.*--out"):
        importing.run(words)
    assert ours.read_bytes() == before
    ours.unlink()
    importing.run(words)
    importing.run(words)  # its own import may be made again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.safetensors"], "absent.safetensors: no such file$"),
        (["data.pt"], "not a .safetensors; say its format"),
        (["absent.pt", "--as", "idc"], "absent.pt: no such file or folder"),
    ],
)
def test_what_is_missing_is_said_in_one_line(place, words, said):
    with pytest.raises(UserError, match=said):
        judge.run(asked(place, *words))


def test_data_that_only_numbers_tie_to_the_set_are_noted(place, tmp_path, capsys):
    arrays = dict(np.load(place / "data.npz"))
    np.savez(tmp_path / "other.npz", **arrays | {"train_images": 255 - arrays["train_images"]})
    words = [str(place / "ours.safetensors"), "--alone", *QUICK, "--epochs", "1", "--dataset"]
    judge.run([*words, str(tmp_path / "other.npz")])
    said = "note: a set of data, evaluated on other; its classes are taken by number\n"
    assert said in capsys.readouterr().err
    (tmp_path / "same.npz").write_bytes((place / "data.npz").read_bytes())
    judge.run([*words, str(tmp_path / "same.npz")])
    assert "note:" not in capsys.readouterr().err


def test_a_device_that_is_none_is_refused_before_images_are_read(place, monkeypatch):
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: pytest.fail("read"), raising=False)
    with pytest.raises(UsageError, match="--device gpu: not a device"):
        judge.run([*asked(place, str(place / "ours.safetensors")), "--device", "gpu"])


def test_a_set_of_ours_needs_no_import(place):
    with pytest.raises(UsageError, match="ours.safetensors: a set of ours by its name, which needs no import"):
        importing.run([str(place / "ours.safetensors"), "--as", "idc", "--dataset", str(place / "data.npz")])


def test_a_whitening_and_a_normalisation_are_one_too_many(place):
    with pytest.raises(UsageError, match="--zca and --normalised: found both"):
        judge.run([*asked(place, str(place / "data.npz")), "--as", "mtt", "--zca", "zca.pt", "--normalised", "none"])


def test_a_whitening_is_refused(place, capsys):
    with pytest.raises(SystemExit) as error:
        judge.run([*asked(place, "images_best.pt"), "--as", "mtt", "--normalised", "zca"])
    assert (
        error.value.code == 2
        and "whitening needs statistics" in (said := capsys.readouterr().err)
        and said.count("\n") == 1
    )
