"""ImageNet-10 is trained and evaluated as in IDC's code: start, CutMix, augmentation, initialisation, epochs."""

import math

import pytest
import torch
from tiny import ROOT
from torch import nn

from udd.config import plan
from udd.config.params import load
from udd.config.plan import Cell, Record
from udd.networks.architectures import build
from udd.networks.augment import draw
from udd.networks.training import epochs


def recipe(variant: str, ipc: int) -> dict:
    """How a network is trained on a set of ImageNet-10."""
    return plan.evaluation_config(
        load([ROOT / "params.yaml"]), Record(Cell("imagenet10", ipc, variant), 0, "idc", "resnetap10")
    )["evaluate"]


def test_idc_starts_from_grids_of_factor_3():
    assert (
        plan.set_config(load([ROOT / "params.yaml"]), Cell("imagenet10", 10, "idc"), 0)["distill"].items()
        >= {"factor": 3, "init": "mix"}.items()
    )


def test_the_networks_that_are_matched_always_take_cutmix():
    for variant in ("idc", "udd"):
        assert (
            plan.set_config(load([ROOT / "params.yaml"]), Cell("imagenet10", 20, variant), 0)["distill"]["cutmix_p"]
            == 1
        )


def test_evaluation_crops_flips_jitters_lights_and_always_takes_cutmix():
    for variant in ("random", "idc", "udd"):
        found = recipe(variant, 10)
        assert found["cutmix_p"] == 1 and set(found["augment"]) == {"resized", "flip", "photometric", "lighting"}


@pytest.mark.parametrize(("ipc", "decoded", "expected"), [(10, 1, 2000), (20, 1, 1500), (10, 9, 1000), (20, 9, 1000)])
def test_epochs_follow_the_images_a_class(ipc, decoded, expected):
    assert epochs(recipe("random", ipc), ipc * decoded * 10, 10) == expected


def test_resized_crops_are_half_of_the_image_to_all_of_it_and_lie_inside():
    theta = draw(["resized"], 2000, 32, torch.Generator().manual_seed(0), torch.float64)["affine"]
    sides, shift = theta.diagonal(dim1=1, dim2=2)[:, :2], theta[:, :2, 2]
    areas = sides.prod(1)
    assert 0.49 < areas.min() < 0.52 and 0.98 < areas.max() <= 1 and (shift.abs() + sides <= 1 + 1e-9).all()


def test_resized_crops_are_of_any_aspect_up_to_4_to_3_and_of_any_place_across_and_down():
    theta = draw(["resized"], 2000, 32, torch.Generator().manual_seed(0), torch.float64)["affine"]
    sides, shift = theta.diagonal(dim1=1, dim2=2)[:, :2], theta[:, :2, 2]
    inside = (sides < 1).all(1)  # a longer side is cut to the image's, and leaves no place to choose
    aspects, places = (sides[:, 0] / sides[:, 1])[inside], (shift / (1 - sides))[inside]
    assert 3 / 4 <= aspects.min() < 0.78 and 1.28 < aspects.max() <= 4 / 3
    assert places.min() < -0.98 and places.max() > 0.98 and abs(torch.corrcoef(places.T)[0, 1]) < 0.1


def test_resnetap10s_convolutions_start_normal_by_the_outputs():
    network = build("resnetap10", 3, 224, 10, 128, torch.Generator().manual_seed(0))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            outputs, _, k, _ = module.weight.shape
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / (k * k * outputs)), rel=0.03)
            assert module.weight.abs().max() > 3 * module.weight.std()  # no uniform law reaches so far
