"""Packed files and manifests: statistics, the same bytes anywhere, and configurations that are refused."""

from __future__ import annotations

import json
import os

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from prepared import manifest_of
from safetensors import SafetensorError

from udd import data
from udd.data.packing import channel_statistics, prepare
from udd.errors import UserError


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=4, max_dims=4, max_side=5)), st.integers(1, 3))
def test_statistics_against_float64(images, chunk):
    mean, std = channel_statistics(images, chunk)
    scaled = images.astype(np.float64) / 255
    assert np.allclose(mean, scaled.mean((0, 2, 3)), rtol=1e-12, atol=1e-15)
    assert np.allclose(std, scaled.std((0, 2, 3)), rtol=1e-9, atol=1e-9)


def test_manifest(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    config = {"name": "mine", "kind": "npz"}
    manifest = json.loads(manifest_of(tmp_path, config).read_text())
    keys = "format dataset kind config classes counts shape mean std files packed"
    assert set(manifest) == set(keys.split()) and manifest["config"] == config
    assert manifest["counts"] == {"train": [4, 4, 4], "test": [2, 2, 2]} and manifest["shape"] == [3, 8, 8]
    assert manifest["files"][0].keys() == {"name", "bytes", "sha256"} and manifest["files"][0]["name"] == "mine.npz"
    assert (tmp_path / manifest["packed"]["file"]).stat().st_size == manifest["packed"]["bytes"]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_same_data_gives_the_same_manifest_anywhere(tmp_path, threads):
    found = []
    for place in ("here", "there"):
        fakes.write_tree(tmp_path / place / "pets", n=8)
        out = tmp_path / f"{place}.json"
        config = json.dumps({"name": "pets", "kind": "folder", "size": 6})
        data.run(["--config", config, "--root", str(tmp_path / place), "--out", str(out), "--threads", threads])
        found.append(out.read_bytes())
        os.utime(tmp_path / "here" / "pets" / "train" / "cat" / "0.png", (1, 1))
    assert found[0] == found[1] and str(tmp_path).encode() not in found[0]


def test_one_root_serves_two_declarations_of_a_name(tmp_path):
    fakes.write_tree(tmp_path / "pets")
    six = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 6}).rename(tmp_path / "six.json")
    four = manifest_of(tmp_path, {"name": "pets", "kind": "folder", "size": 4})
    assert [data.load(manifest, tmp_path).train_images.shape[-1] for manifest in (six, four)] == [6, 4]


def test_other_users_of_a_root_may_read_the_packed_file(tmp_path):
    fakes.write_npz(tmp_path / "mine.npz")
    manifest = manifest_of(tmp_path, {"name": "mine", "kind": "npz"})
    assert next((tmp_path / "packed").iterdir()).stat().st_mode == manifest.stat().st_mode


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("I/O error: No space left on device")

    fakes.write_npz(tmp_path / "mine.npz")
    monkeypatch.setattr("udd.data.packing.save_file", full)
    with pytest.raises(UserError, match="safetensors: could not be written .*No space left"):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
    assert not list((tmp_path / "packed").iterdir())


@pytest.mark.parametrize(
    "config, message",
    [
        ({"name": "x", "kind": "imagenet"}, "x: unknown kind 'imagenet'; expected one of mnist"),
        ({"kind": "digits"}, "no name"),
        ([], "no name"),
        ({"name": "x", "kind": "npz", "path": "/x.npz"}, "absolute"),
        ({"name": "x", "kind": "npz", "path": "~/x.npz"}, "path ~/x.npz is absolute; put a link"),
        ({"name": "x", "kind": "folder", "path": "$HOME/x"}, "path .HOME/x is absolute; put a link"),
        ({"name": "x", "kind": "npz"}, "x.npz: no such file"),
        ({"name": "x", "kind": "imagenet10"}, "x: .* needs classes"),
        ({"name": "x", "kind": "imagenet10", "classes": ["n01"]}, "train/n01: no such folder"),
        ({"name": "x", "kind": "digits", "classes": ["a"]}, "x: classes has 1 names, the data 10 classes"),
    ],
)
def test_bad_configuration(tmp_path, config, message):
    with pytest.raises(UserError, match=message):
        prepare(config, tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_a_root_that_cannot_be_written_is_said_before_anything_is_read(tmp_path, monkeypatch, packed):
    (tmp_path / "mine.npz").write_bytes(b"not read")
    if packed:
        (tmp_path / "packed").mkdir()
    monkeypatch.setattr("udd.data.packing.os.access", lambda *_: False)
    with pytest.raises(
        UserError, match="cannot be written.* link what is in it into a folder of your own and name that: UDD_DATA="
    ):
        prepare({"name": "mine", "kind": "npz"}, tmp_path)
