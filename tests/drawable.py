"""What figures are drawn from: parameters that ask for them, and finished files of made-up images and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import records
import torch

from udd.config.drawings import reference_config
from udd.config.params import load
from udd.config.plan import Cell, set_config
from udd.data import Dataset
from udd.evaluation.reference import save as save_reference
from udd.evaluation.reference import train_reference
from udd.reports import collect
from udd.reports.figures.style import Sources, set_path
from udd.synthetic.regions import corner_boxes, grid_boxes
from udd.synthetic.sets import SyntheticSet
from udd.synthetic.sets import save as save_set

COLUMNS = "iteration,outer,loss,loss_gradient,loss_cfc,grad_norm_gradient,grad_norm_cfc,images_per_second,seconds"
LOOKING = {"network": "convnet3", "width": 4, "networks": 1, "epochs": 1, "batch": 32, "images": 20}


def asked() -> dict[str, Any]:
    """The demo's parameters, with a request for every figure on digits."""
    torch.set_num_threads(1)
    found = load(["params.yaml", "experiments/demo.yaml"])
    request = {"datasets": ["digits"], "ipc": [2], "variants": ["idc", "udd"]}
    figures: dict = dict.fromkeys(("utilization", "maps", "features", "gallery", "curves"), request)
    figures["schedule"] = request | {"variants": ["random", "idc", "udd-short", "udd"]}
    variants = found["variants"] | {
        "udd-short": {"distill": found["variants"]["udd"].get("distill", {}) | {"outer": 1}}
    }
    return found | {
        "tables": {},
        "figures": figures,
        "variants": variants,
        "utilization": found["utilization"] | LOOKING,
    }


def digits() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 1, 12, 12), generator=generator, dtype=torch.uint8)
    labels = torch.arange(60) % 3
    return Dataset("digits", ["a", "b", "c"], [0.5], [0.3], images, labels, images, labels)


def finished(params: dict[str, Any], results: Path) -> Sources:
    """A tree of results with sets, curves and reference networks of made-up images."""
    for name in ("idc", "udd", "udd-short"):
        made = set_config(params, Cell("digits", 2, name), 0)
        boxes = grid_boxes(12, 2) if name == "idc" else corner_boxes(12, ["third", "half", "two_thirds"])
        metadata = {
            "dataset": "digits",
            "classes": ["a", "b", "c"],
            "mean": [0.5],
            "std": [0.3],
            "whole": name == "udd",
            "config": made,
        }
        images = digits().train_images[:6].float() / 255
        save_set(
            set_path(Sources(results, results, results), made),
            SyntheticSet(images, torch.arange(6) % 3, boxes, metadata),
        )
        write_curve(set_path(Sources(results, results, results), made, "curves", "csv"), name)
    save_reference(
        results / "proxies/digits.safetensors",
        train_reference(digits(), reference_config(params, "digits"), torch.device("cpu")),
    )
    records.write_all(params, results)
    collect.collect(params, results, results)
    return Sources(results, results, results)


def write_curve(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True)
    lines = [
        f"{i},{i // 10},{3 / i},{2 / i},{0 if name == 'idc' else 1 / i},{1 / i},{0 if name == 'idc' else 1 / i},100,{i}"
        for i in range(1, 40)
    ]
    path.write_text("\n".join([COLUMNS, *lines]))
