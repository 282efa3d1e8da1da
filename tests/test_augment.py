"""Augmentation, each operation against a slow and direct one; all of it from one generator."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from references import seen_through, shifted, slow_augment, slow_color, slow_cutout
from tiny import generator, noise

from udd.networks.augment import apply, as_float, augment, cutmix, draw, normalise, pick

few = settings(deadline=None, max_examples=25)
DOUBLE = torch.float64


def drawn(ops: list[str], n: int, side: int, seed: int = 0) -> dict[str, torch.Tensor]:
    return draw(ops, n, side, generator(seed), DOUBLE)


def resampled(image: torch.Tensor, matrix: list[list[float]]) -> torch.Tensor:
    """The image at each place about its centre times a 2 x 2 matrix (across, down)."""
    return seen_through(image, torch.tensor([[*matrix[0], 0.0], [*matrix[1], 0.0], [0.0, 0.0, 1.0]], dtype=DOUBLE))


def test_bytes_become_floats_in_0_1_and_floats_stay():
    images = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    assert torch.equal(as_float(images), torch.tensor([[0.0, 0.2, 1.0]]))
    assert as_float(images, DOUBLE).dtype == DOUBLE
    floats = noise(2, 3)
    assert as_float(floats) is floats


def test_normalisation_is_by_channel():
    images = noise(2, 3, 4, 4)
    found = normalise(images, [0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    for k in range(3):
        torch.testing.assert_close(found[:, k], (images[:, k] - 0.1 * (k + 1)) / (0.5 + 0.1 * k), rtol=0, atol=1e-14)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_is_brightness_then_saturation_then_contrast(channels):
    images, draws = noise(5, channels, 6, 6) - 0.5, drawn(["color"], 5, 6)
    expected = [slow_color(image, u) for image, u in zip(images, draws["color"], strict=True)]
    torch.testing.assert_close(apply(images, draws), torch.stack(expected), rtol=0, atol=1e-13)
    assert apply(images, draws).sub(images).abs().amax((1, 2, 3)).min() > 1e-3


@pytest.mark.parametrize("side", [8, 28, 32])
def test_a_crop_is_a_shift_by_whole_pixels_over_zeros(side):
    images, draws = noise(40, 2, side, side), drawn(["crop"], 40, side)
    found, most, seen = apply(images, draws), round(side / 8), set()
    for image, result in zip(images, found, strict=True):
        right = [
            (down, across) for down in range(-most, most + 1) for across in range(-most, most + 1)
            if torch.allclose(result, shifted(image, down, across), rtol=0, atol=1e-12)
        ]  # fmt: skip
        assert len(right) == 1
        seen |= set(right)
    assert len(seen) > 5
    assert max(abs(shift) for pair in seen for shift in pair) == most


@pytest.mark.parametrize("side", [7, 8])
def test_cutout_is_a_rectangle_of_half_the_side_centred_anywhere(side):
    images, draws = noise(60, 2, side, side) + 1, drawn(["cutout"], 60, side)
    found, size = apply(images, draws), (side + 1) // 2
    centres = set()
    for image, result, corner in zip(images, found, draws["cutout"].tolist(), strict=True):
        assert torch.equal(result, slow_cutout(image, corner))
        assert corner == [round(corner[0]), round(corner[1])]
        centres |= {place + size // 2 for place in corner}
    assert centres == set(range(side + 1 - size % 2))  # a centre lies in the image, or on its edge


def test_a_flip_mirrors_half_of_the_images_left_and_right():
    images, draws = noise(200, 1, 6, 6), drawn(["flip"], 200, 6)
    found = apply(images, draws)
    same, mirrored = ((found - other).abs().amax((1, 2, 3)) < 1e-13 for other in (images, images.flip(3)))
    assert torch.equal(same, ~mirrored)
    assert 70 < mirrored.sum() < 130


def test_scaling_stretches_both_sides_apart_within_limits():
    images, draws = noise(6, 2, 9, 9), drawn(["scale"], 6, 9)
    ratios = draws["affine"].diagonal(dim1=1, dim2=2)[:, :2]
    for image, result, (across, down) in zip(images, apply(images, draws), ratios.tolist(), strict=True):
        torch.testing.assert_close(result, resampled(image, [[across, 0], [0, down]]), rtol=0, atol=1e-12)
    many = drawn(["scale"], 4000, 9)["affine"].diagonal(dim1=1, dim2=2)[:, :2]
    assert 1 / 1.2 <= many.min() < 0.84 and 1.19 < many.max() <= 1.2
    assert abs(torch.corrcoef(many.T)[0, 1]) < 0.1
    assert many.mean().item() == pytest.approx((1.2 + 1 / 1.2) / 2, abs=0.006)  # uniform, as its logarithm is not


def test_rotation_turns_about_the_centre_up_to_15_degrees():
    images, draws = noise(6, 2, 9, 9), drawn(["rotate"], 6, 9)
    for image, result, theta in zip(images, apply(images, draws), draws["affine"], strict=True):
        angle = math.atan2(theta[1, 0], theta[0, 0])
        turned = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        torch.testing.assert_close(result, resampled(image, turned), rtol=0, atol=1e-12)
    many = drawn(["rotate"], 2000, 9)["affine"]
    degrees = torch.rad2deg(torch.atan2(many[:, 1, 0], many[:, 0, 0]))
    assert -15 <= degrees.min() < -14.5 and 14.5 < degrees.max() <= 15
    assert abs(degrees.mean()) < 1


def test_two_geometries_are_one_after_the_other():
    images, draws = noise(60, 1, 8, 8), drawn(["crop", "flip"], 60, 8)
    source = generator()
    crop, flip = (draw([op], 60, 8, source, DOUBLE) for op in ("crop", "flip"))
    found = apply(images, draws)
    torch.testing.assert_close(found, apply(apply(images, crop), flip), rtol=0, atol=1e-12)
    assert not torch.allclose(found, apply(apply(images, flip), crop))


def test_one_of_takes_each_as_often():
    kinds = {"crop": 0, "flip": 0, "rotate": 0}
    for theta in drawn(["crop|flip|rotate"], 600, 8)["affine"]:
        turned, mirrored = theta[0, 1] != 0, theta[0, 0] < 0
        kinds["rotate" if turned else "flip" if mirrored else "crop"] += 1
    assert kinds["rotate"] == pytest.approx(200, abs=50)
    assert kinds["flip"] == pytest.approx(100, abs=45)  # the other half of the flips changes nothing


def test_one_of_all_six_is_dsas_one_operation_a_batch():
    """Each image is changed by at most one operation: what another would have drawn there changes nothing."""
    images, draws = noise(600, 2, 8, 8), drawn(["color|crop|cutout|flip|scale|rotate"], 600, 8)
    coloured = (draws["color"] != 0.5).any(1)
    cut = (draws["cutout"] < 8).all(1)
    moved = (draws["affine"] != torch.eye(3, dtype=DOUBLE)).flatten(1).any(1)
    assert (coloured.int() + cut + moved <= 1).all()
    assert coloured.sum() == pytest.approx(100, abs=40) and cut.sum() == pytest.approx(100, abs=40)
    assert moved.sum() == pytest.approx(350, abs=50)  # half of the flips move nothing, and one crop of nine
    found = apply(images, draws)
    none = ~(coloured | cut | moved)
    torch.testing.assert_close(found[none], images[none], rtol=0, atol=1e-12)
    for index in cut.nonzero()[:9, 0].tolist():
        torch.testing.assert_close(
            found[index], slow_cutout(images[index], draws["cutout"][index].tolist()), rtol=0, atol=1e-12
        )
    alone = apply(images[coloured], {"color": draws["color"][coloured]})
    torch.testing.assert_close(found[coloured], alone, rtol=0, atol=1e-12)


@few
@given(
    st.lists(
        st.sampled_from(["color", "crop", "cutout", "flip", "scale", "rotate", "color|cutout|flip"]),
        max_size=4,
        unique=True,
    ),
    st.integers(0, 99),
)
def test_one_draw_for_all_is_the_same_change_of_every_image(ops, seed):
    images = noise(3, 2, 8, 8, seed=seed)
    together = augment(images, ops, generator(seed), shared=True)
    for i in range(3):
        alone = augment(images[i : i + 1], ops, generator(seed), shared=True)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-13)
    assert torch.equal(together, augment(images, ops, generator(seed), shared=True))


def test_a_class_shares_its_draw_between_real_and_synthetic_images():
    ops = ["color", "crop", "cutout"]
    draws = drawn(ops, 3, 8)
    for label in range(3):
        of_class = pick(draws, label)
        for images in (noise(4, 3, 8, 8), noise(2, 3, 8, 8, seed=1)):
            expected = torch.stack(
                [slow_augment(image, {name: value[0] for name, value in of_class.items()}) for image in images]
            )
            torch.testing.assert_close(apply(images, of_class), expected, rtol=0, atol=1e-12)
    assert not torch.equal(draws["color"][0], draws["color"][1])


def test_each_image_has_a_draw_of_its_own_unless_shared():
    images = noise(1, 3, 8, 8).expand(4, 3, 8, 8)
    found = augment(images, ["color"], generator())
    assert all((found[0] - found[i]).abs().max() > 1e-3 for i in range(1, 4))
    assert torch.equal(augment(images, [], generator()), images)


def test_gradients_flow_through_every_operation():
    draws = drawn(["color", "crop", "flip|scale|rotate", "cutout"], 2, 6)
    assert torch.autograd.gradcheck(lambda images: apply(images, draws), noise(2, 2, 6, 6).requires_grad_())


def test_everything_follows_from_the_generator():
    images, labels = noise(4, 3, 8, 8), torch.arange(4)
    first, second = (cutmix(images, labels, 1.0, 1.0, generator(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    ops = ["color", "crop|scale|rotate", "flip", "cutout"]
    assert torch.equal(augment(images, ops, generator(5)), augment(images, ops, generator(5)))
    assert not torch.equal(augment(images, ops, generator(5)), augment(images, ops, generator(6)))
    before = torch.get_rng_state()
    augment(images, ops, generator(5))
    cutmix(images, labels, 1.0, 1.0, generator(5))
    assert torch.equal(torch.get_rng_state(), before)


def test_resampling_agrees_with_torch_for_a_map_of_all_kinds():
    theta = torch.tensor([[[0.9, 0.2, 0.1], [-0.1, 1.1, -0.2], [0, 0, 1.0]]], dtype=DOUBLE)
    images = noise(2, 3, 8, 8)
    grid = F.affine_grid(theta[:, :2].expand(2, 2, 3), [2, 3, 8, 8], align_corners=False)
    torch.testing.assert_close(
        apply(images, {"affine": theta}), F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    )
