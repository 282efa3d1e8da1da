"""A cached network that is cut goes on whatever has changed beside it, trains nothing twice, and loses no signal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from caches import CACHE, CONFIG, made
from safetensors.torch import load_file
from tiny import config, dataset

from udd import provenance
from udd.errors import Stopped, UserError
from udd.proxies import fresh
from udd.runs import cache
from udd.runs import growth as growth_of
from udd.runs.cache_files import absent
from udd.runs.growth import Growth


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def cut(folder: Path, found: dict, data) -> None:
    """One network of a cache, ended after its first age."""
    with pytest.raises(Stopped, match="after 1 of 3 ages"):
        cache.fill(folder, found, data, [0], "", until=0.0)


def test_a_network_goes_on_whatever_the_revision_and_the_threads(tmp_path, monkeypatch, capsys):
    whole = made(tmp_path / "whole", CONFIG, dataset())
    cut(tmp_path / "cut", CONFIG, dataset())
    monkeypatch.setattr(provenance, "git_revision", lambda: "another+")
    monkeypatch.setattr(provenance, "versions", dict)
    cache.fill(tmp_path / "cut", CONFIG, dataset(), [0], "")
    assert "goes on from" in capsys.readouterr().err
    one, other = (tensors(folder / "network0.safetensors") for folder in (whole, tmp_path / "cut"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("part", ["code", "device"])
def test_one_of_other_code_or_another_device_begins_anew_and_says_so(tmp_path, monkeypatch, capsys, part):
    cut(tmp_path, CONFIG, dataset())
    real = growth_of.provenance
    monkeypatch.setattr(growth_of, "provenance", lambda *given: real(*given) | {part: "another"})
    growth = Growth(tmp_path / "network0.safetensors", CONFIG, dataset(), 0, "")
    assert not growth.seen and "of another network, other code or another device" in capsys.readouterr().err


def test_what_came_before_the_first_age_is_not_trained_again(tmp_path, monkeypatch):
    found, trained = config(**CACHE, pretrain_epochs=3), []
    whole, real = made(tmp_path / "whole", found, dataset()), fresh.train_network
    cut(tmp_path / "cut", found, dataset())
    monkeypatch.setattr(fresh, "train_network", lambda *given: (trained.append(given[-1]), real(*given))[1])
    cache.fill(tmp_path / "cut", found, dataset(), [0], "")
    assert not any(images > found["distill"]["net_images"] for images in trained)
    one, other = (tensors(folder / "network0.safetensors") for folder in (whole, tmp_path / "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_stays_until_its_network_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise UserError("no space")

    cut(tmp_path, CONFIG, dataset())
    monkeypatch.setattr(Growth, "write", full)
    with pytest.raises(UserError, match="no space"):
        cache.fill(tmp_path, CONFIG, dataset(), [0], "")
    assert (tmp_path / "network0.checkpoint").exists()


def test_a_signal_in_the_last_age_ends_the_run_with_that_network_whole(tmp_path, monkeypatch):
    real = Growth.advance

    def signalled(growth: Growth) -> None:
        if len(growth.seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        real(growth)

    monkeypatch.setattr(Growth, "advance", signalled)
    with pytest.raises(Stopped, match=r"stopped by SIGTERM after .*network0.safetensors; run the same command again"):
        cache.fill(tmp_path, CONFIG, dataset(), [0, 1], "")
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["network0.safetensors"]
    assert not absent(tmp_path, CONFIG, [0], "") and not list(tmp_path.glob("*.checkpoint"))


def test_a_signal_while_another_process_makes_a_network_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "made_here", lambda *_: False)
    monkeypatch.setattr(cache.time, "sleep", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped, match="another run is making its last networks"):
        cache.fill(tmp_path, CONFIG, dataset(), [0], "")
