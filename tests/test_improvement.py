"""Every method makes of its start a set on which networks learn better: scikit-learn's digits, one image a
class, seconds of one core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import params

import udd
from udd.config.plan import distilled, method

CACHE: dict[str, Any] = {
    "networks": "cached",
    "cache_networks": 3,
    "cache_ages": 6,
    "cache_spacing": 1,
    "net_images": 64,
}
GRADIENTS = CACHE | {"outer": 40, "inner": 1, "image_lr": 0.5, "init": "mix"}
SHORT: dict[str, dict[str, Any]] = {
    "udd": GRADIENTS | {"max_pairs": 32},
    "idc": GRADIENTS,
    "dream": GRADIENTS,
    "dm": {"outer": 60},
    "dsa": {"outer": 60, "image_lr": 1.0},
    "dc": {"outer": 60, "image_lr": 1.0},
    "dd": {"outer": 40, "batch_real": 100, "image_lr": 0.02, "image_lr_decay_at": []},
    "cafe": {"outer": 6, "inner": 10, "watched": 16, "net_epochs": 2},
    "kip": {"outer": 60, "batch_real": 200},
    "mtt": CACHE
    | {"cache_draws": 0, "net_batch": 16, "net_images": 320, "outer": 20, "steps": 20, "rate": 0.02, "image_lr": 100.0},
    "dance": CACHE | {"cache_draws": 0, "outer": 60, "init": "mix"},
    "ncfm": CACHE | {"cache_draws": 0, "outer": 60, "init": "mix", "frequencies": 256, "image_lr": 0.02},
    "udd-features": CACHE | {"outer": 40, "init": "mix", "image_lr": 0.02},
}
NARROW: dict[str, Any] = {"width": 16, "device": "cpu", "compile": "never"}
UNMOVED = {"outer": 1, "inner": 1, "image_lr": 1e-12}


def test_every_method_is_here():
    assert {method(params(), name) for name in distilled(params())} == {method(params(), name) for name in SHORT}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that several methods meet, made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", SHORT)
def test_a_method_improves_on_its_start(name: str, cache: Path, tmp_path: Path):
    data, made = udd.dataset("digits"), []
    for keys in (UNMOVED, {}):
        schedule = {"batch_real": 16} | SHORT[name] | keys | NARROW
        made.append(udd.distill(data, name, 1, cache=cache, checkpoint=tmp_path / "run", **schedule))
    start, end = (udd.evaluate(each, data, 3, epochs=20, batch=16, lr=0.02, checkups=1, **NARROW).mean for each in made)
    assert end > start + 1, f"{start:.1f} % before the first step, {end:.1f} % after the last"
