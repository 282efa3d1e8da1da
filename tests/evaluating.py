"""An evaluation on a tiny data set and set: its configuration, and its command, called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from udd.data import Dataset
from udd.evaluation import records as evaluation_records
from udd.synthetic.sets import SyntheticSet, save

OWN = {
    "policy": "activation", "decode": "regions", "selected": 2, "search_layer": "last", "ranking": "plain",
    "jitter": "gaussian",
    "jitter_sigma": 0.05, "jitter_copies": 2,
}  # fmt: skip
TINY = {"name": "tiny", "kind": "npz"}
SET = {
    "dataset": TINY,
    "ipc": 2,
    "variant": "udd",
    "seed": 0,
    "method": "udd",
    "distill": {"network": "convnet3"},
    "udd": OWN,
}
RECIPE = {
    "width": 8, "epochs": 8, "batch": 4, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    "decay_at": [0.6667, 0.8333], "decay": 0.2, "augment": ["color"], "cutmix_beta": 1.0, "cutmix_p": 0.5,
    "precision": "float32", "views": "all", "steps": 0, "checkups": 4, "compile": "never",
}  # fmt: skip
RECORD = {"set": SET, "architecture": "convnet3", "protocol": "idc", "evaluate": RECIPE}
CONFIG = RECORD | {"network": 0}
SHORT = RECORD | {"evaluate": RECIPE | {"epochs": 1}}


def images(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % 2
    stripes = (torch.arange(8) % 2) * 0.7
    pattern = torch.stack([stripes.expand(8, 8), stripes.view(8, 1).expand(8, 8)])[labels].unsqueeze(1)
    return pattern + 0.3 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)), labels


def dataset() -> Dataset:
    train, test = images(30, 0), images(21, 1)
    return Dataset(
        "tiny", ["across", "down"], [0.5], [0.4], (train[0] * 255).byte(), train[1], (test[0] * 255).byte(), test[1]
    )


def a_set(**changes) -> SyntheticSet:
    pixels, labels = images(4, 2)
    boxes = torch.tensor([[0, 0, 4, 4], [4, 4, 4, 4], [0, 4, 4, 4]])
    metadata = {
        "dataset": "tiny",
        "classes": ["across", "down"],
        "mean": [0.5],
        "std": [0.4],
        "whole": True,
        "config": SET,
    }
    return SyntheticSet(pixels, labels, boxes, metadata)._replace(**changes)


def with_metadata(**changes) -> SyntheticSet:
    return a_set(metadata=a_set().metadata | changes)


def command(config: dict, path, out) -> list[str]:
    given = ["--set", str(path)] if path else []
    return [
        "--config",
        json.dumps(config),
        "--manifest",
        str(out.parent / "m"),
        "--root",
        "r",
        "--out",
        str(out),
        "--device",
        "cpu",
        *given,
    ]


def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """What runs the command on a set (None: without one) and returns the record."""
    monkeypatch.setattr(evaluation_records, "load", lambda manifest, root: dataset())

    def call(config: dict, made: SyntheticSet | None = None, networks: tuple[int, ...] = (0,)) -> dict:
        path, out = tmp_path / "set.safetensors", tmp_path / "record.json"
        if made:
            save(path, made)
        (tmp_path / "m").write_text("a manifest")
        evaluation_records.run(command(config | {"networks": networks}, path if made else None, out))
        found = json.loads(out.read_text())
        return found | found["networks"].get("0", {})

    return call
