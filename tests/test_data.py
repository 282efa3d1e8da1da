"""Data sets as tensors: what `load` accepts, and the command."""

from __future__ import annotations

import subprocess
import sys

import fakes
import pytest
import torch
from prepared import loaded, manifest_of
from tiny import ROOT

from udd import data
from udd.errors import UserError
from udd.files import write_json


def test_load_rebuilds_an_absent_packed_file_and_accepts_no_other(tmp_path):
    base = fakes.write_tree(tmp_path / "pets")
    manifest = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6})
    (packed,) = (tmp_path / "packed").glob("*.safetensors")
    before = data.load(manifest, tmp_path)
    packed.unlink()
    assert torch.equal(data.load(manifest, tmp_path).train_images, before.train_images)

    whole = packed.read_bytes()
    packed.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f"{packed}: .* bytes"):
        data.load(manifest, tmp_path)
    packed.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{packed}: .*SHA-256"):
        data.load(manifest, tmp_path)

    packed.unlink()
    fakes.image("RGB", (10, 8), seed=99).save(base / "train" / "dog" / "1.png")
    for _ in range(2):
        with pytest.raises(UserError, match="train/dog/1.png is not as in the data"):
            data.load(manifest, tmp_path)


def test_load_refuses_pixels_that_another_decoder_made(tmp_path, monkeypatch):
    fakes.write_tree(tmp_path / "pets")
    manifest = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6})
    next((tmp_path / "packed").iterdir()).unlink()
    monkeypatch.setattr("udd.data.images.fit", lambda image, size: image.resize((size, size), 0))
    with pytest.raises(UserError, match="manifest.json's files decode to other pixels here"):
        data.load(manifest, tmp_path)


def test_load_refuses_what_is_not_a_manifest(tmp_path):
    write_json(tmp_path / "other.json", {"format": 0})
    with pytest.raises(UserError, match="other.json: not a data manifest"):
        data.load(tmp_path / "other.json", tmp_path)


def test_to_moves_every_tensor(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    moved = loaded(tmp_path, {"name": "mine", "kind": "npz"}).to("meta")
    assert [tensor.device.type for tensor in moved[4:8]] == ["meta"] * 4


def test_the_command_prints_one_line_for_bad_input(tmp_path):
    (tmp_path / "mine.npz").write_bytes(b"x")
    options = ["--config", '{"name":"mine","kind":"npz"}', "--root", str(tmp_path), "--out", str(tmp_path / "m.json")]
    result = subprocess.run(
        [sys.executable, "-m", "udd", "data", *options], capture_output=True, text=True, check=False
    )
    assert (
        result.returncode == 1
        and result.stderr.startswith(f"error: {tmp_path}/mine.npz: ")
        and result.stderr.count("\n") == 1
    )
    assert not (tmp_path / "m.json").exists()


def test_the_command_by_hand_takes_root_and_place_from_params(tmp_path, monkeypatch, capsys):
    params = ROOT / "params.yaml"
    over = tmp_path / "over.yaml"
    over.write_text(f"data_root: {tmp_path}/root\nresults: {tmp_path}/results\n")
    monkeypatch.delenv("UDD_DATA", raising=False)
    data.run(["--params", str(params), str(over), "--dataset", "digits"])
    assert (tmp_path / "results" / "data" / "digits.json").exists() and len(
        list((tmp_path / "root" / "packed").iterdir())
    ) == 1
    monkeypatch.setenv("UDD_DATA", str(tmp_path / "elsewhere"))
    data.run(["--params", str(params), str(over), "--dataset", "digits"])
    assert len(list((tmp_path / "elsewhere" / "packed").iterdir())) == 1
    assert "1442 training and 355 test images of 1 x 16 x 16" in capsys.readouterr().out
    with pytest.raises(UserError, match="--dataset nothing: not in params.yaml"):
        data.run(["--params", str(params), str(over), "--dataset", "nothing"])
