"""Cached networks: half precision, and what a file holds against obvious references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from caches import CACHE, CONFIG, made, one_of_each
from hypothesis import given
from hypothesis import strategies as st
from references import slow_augment, standardised
from safetensors.torch import load_file
from tiny import config, dataset

from udd.config.caches import cache_config
from udd.networks import augment
from udd.networks.streams import stream
from udd.objectives.matching import Target
from udd.proxies import cached, fresh


def network_of(data: Any, found: dict[str, Any], path: Path, age: int, draw: int) -> tuple[Any, augment.Draws, Target]:
    """The network of a file at an age, and what was seen of it under a draw."""
    blank = fresh.fresh_network(data, found["distill"], torch.Generator())
    return blank, *cached.recall(path, blank, age, draw)


# --- half precision ---


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4), st.floats(1e-12, 1e12))
def test_a_half_keeps_eleven_bits_of_what_is_not_tiny_beside_the_largest(values, size):
    numbers = torch.tensor(values, dtype=torch.float64).view(2, 2) * size
    back = cached.restored(*cached.halved(numbers.float(), 1)).double()
    largest = numbers.abs().amax(1, keepdim=True)
    assert ((back - numbers).abs() <= 2**-10 * numbers.abs() + 2**-24 * largest + 1e-37).all()


def test_each_class_has_a_scale_of_its_own():
    values = torch.tensor([[1e-9, 2e-9], [3.0, 1e5], [0.0, 0.0]])
    half, scale = cached.halved(values, 1)
    assert half.dtype == torch.float16 and half.isfinite().all() and scale.tolist() == pytest.approx([2e-9, 1e5, 0.0])
    assert torch.allclose(cached.restored(half, scale), values, rtol=1e-3)


# --- what a file holds ---


def test_the_networks_are_those_that_train_as_fresh_ones_do(tmp_path):
    """Weights at each age, rounded: a network from the member's own stream, trained on net_images images an age."""
    found, data = config(**dict[str, Any](CACHE | {"cache_spacing": 2}), pretrain_epochs=1), dataset()
    folder, options = made(tmp_path, found, data), found["distill"]
    for member in range(2):
        at = fresh.start(data, options, 0)
        at.training = stream("cpu", "networks", data.name, options["network"], options["cache_seed"], member)
        fresh.new_network(at, data, options)
        for age in range(3):
            recalled, _, _ = network_of(data, found, cached.member_path(folder, member), age, 0)
            for ours, theirs in zip(recalled.parameters(), at.network.parameters(), strict=True):
                assert torch.allclose(ours, theirs, rtol=2**-10, atol=2**-24 * theirs.abs().max().item())
            fresh.train_on(at, data, options)
            fresh.train_on(at, data, options)


def test_gradients_and_features_are_those_of_the_real_images_under_the_stored_draw(tmp_path):
    """Against float64, one image by itself, through the network as it was rounded."""
    found, data = config(**CACHE), one_of_each()
    folder = made(tmp_path, found, data)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (data.mean, data.std))
    for member, age, draw in ((0, 0, 0), (1, 2, 1)):
        model, draws, target = network_of(data, found, cached.member_path(folder, member), age, draw)
        model = model.double()
        for label, image in enumerate(data.train_images):
            own = {name: values[label].double() for name, values in draws.items()}
            seen = slow_augment(standardised(image.double() / 255, mean, std), own).unsqueeze(0)
            expected = torch.autograd.grad(
                F.cross_entropy(model(seen), torch.tensor([label])), list(model.parameters())
            )
            for ours, theirs in zip(target.gradients, expected, strict=True):
                assert torch.allclose(
                    ours[label].double(), theirs, rtol=2e-3, atol=1e-6 + 1e-4 * theirs.abs().max().item()
                )  # a bias before a norm has none
            assert torch.allclose(target.features[label].double(), model.features(seen)[1][0], rtol=2e-3, atol=1e-4)


def test_draws_are_of_their_own_and_so_are_batches(tmp_path):
    folder = made(tmp_path, CONFIG, dataset())
    one = load_file(cached.member_path(folder, 0))
    for name, values in one.items():
        if name.startswith(("gradients/classifier.weight", "draws/color", "features")):
            seen = values.flatten(2).flatten(0, 1)  # [ages * draws, ...]
            assert len(seen.unique(dim=0)) == len(seen) == 6, name
    other = load_file(cached.member_path(folder, 1))
    assert not torch.equal(one["weights/classifier.weight"], other["weights/classifier.weight"])
    assert not torch.equal(one["draws/color"], other["draws/color"])


def test_a_smaller_cache_is_a_part_of_a_larger_one(tmp_path):
    """The same ages and draws have the same bits, whatever else there is."""
    large, small = (
        {**CACHE, "cache_ages": 5},
        {**CACHE, "cache_networks": 1, "cache_ages": 3, "cache_spacing": 2, "cache_draws": 1},
    )
    ours = load_file(cached.member_path(made(tmp_path / "small", config(**small), dataset()), 0))
    theirs = load_file(cached.member_path(made(tmp_path / "large", config(**large), dataset()), 0))
    for name, values in ours.items():
        part = theirs[name][::2]
        assert torch.equal(values, part if "weights/" in name else part[:, :1]), name


def test_the_cache_is_of_its_own_seed(tmp_path):
    folders = [
        made(tmp_path / str(seed), config(**dict[str, Any](CACHE | {"cache_seed": seed})), dataset()) for seed in (0, 1)
    ]
    one, other = (load_file(cached.member_path(folder, 0)) for folder in folders)
    assert not torch.equal(one["weights/classifier.weight"], other["weights/classifier.weight"])
    assert not torch.equal(one["draws/color"], other["draws/color"])
    assert cache_config(config(**CACHE, seed=0)) == cache_config(config(**CACHE, seed=5))
