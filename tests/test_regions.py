"""Candidate regions against torch's own resizing, brute-force areas, and plain loops."""

from math import lcm

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import noise

from udd.synthetic.regions import (
    area_weights,
    corner_boxes,
    corner_windows,
    crop_resize,
    decode,
    grid_boxes,
    grid_windows,
    resize_matrix,
    training_pairs,
    windows,
)

SIDES = {28: (9, 14, 19), 32: (11, 16, 21), 224: (75, 112, 149)}
ALL = ["third", "half", "two_thirds"]
few = settings(deadline=None, max_examples=25)
DOUBLE = torch.zeros((), dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", SIDES)
def test_windows_of_three_scales_lie_in_the_four_corners(side):
    boxes = corner_boxes(side, ALL).tolist()
    expected = [[top, left, n, n] for n in SIDES[side] for top in (0, side - n) for left in (0, side - n)]
    assert boxes == expected


@pytest.mark.parametrize("scales", [["half"], ["third", "two_thirds"]])
def test_a_subset_of_the_scales_gives_four_windows_each(scales):
    boxes = corner_boxes(32, scales)
    assert boxes.dtype == torch.int64
    assert boxes[:, 2].tolist() == [SIDES[32][ALL.index(scale)] for scale in scales for _ in range(4)]


@few
@given(st.integers(8, 64), st.integers(1, 5))
def test_a_grid_covers_every_pixel_once(side, factor):
    covered = torch.zeros(side, side)
    boxes = grid_boxes(side, factor)
    for top, left, height, width in boxes.tolist():
        covered[top : top + height, left : left + width] += 1
    assert len(boxes) == factor**2
    assert covered.eq(1).all()
    assert boxes[:, 2:].max() - boxes[:, 2:].min() <= 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("grid", [False, True])
def test_crop_and_resize_is_torchs_bilinear_interpolation(side, grid):
    boxes = grid_boxes(side, 3) if grid else corner_boxes(side, ALL)
    among = windows(boxes, side, True, DOUBLE)
    image = noise(1, 2, side, side)
    for number, (top, left, height, width) in enumerate(boxes.tolist()):
        crop = image[:, :, top : top + height, left : left + width]
        expected = F.interpolate(crop, (side, side), mode="bilinear", align_corners=False)
        torch.testing.assert_close(crop_resize(image, torch.tensor([number]), among), expected, rtol=0, atol=1e-13)


def test_the_last_window_is_the_whole_image_to_the_bit():
    among = windows(corner_boxes(9, ALL), 9, True, torch.zeros(()))
    image = noise(2, 3, 9, 9).float()
    assert torch.equal(crop_resize(image, torch.tensor([12, 12]), among), image)


@few
@given(st.integers(2, 40), st.data())
def test_rows_of_a_resizing_matrix_average_pixels_of_the_window(side, data):
    start = data.draw(st.integers(0, side - 1))
    length = data.draw(st.integers(1, side - start))
    matrix = resize_matrix(start, length, side)
    torch.testing.assert_close(matrix.sum(1), torch.ones(side, dtype=torch.float64))
    assert (matrix >= 0).all()
    assert matrix[:, :start].eq(0).all() and matrix[:, start + length :].eq(0).all()


def test_gradients_through_a_crop_are_those_of_finite_differences():
    among = windows(corner_boxes(6, ["half", "two_thirds"]), 6, True, DOUBLE)
    chosen = torch.tensor([1, 6])
    assert torch.autograd.gradcheck(lambda image: crop_resize(image, chosen, among), noise(2, 1, 6, 6).requires_grad_())


def brute_force_mean(values: torch.Tensor, box: list[int], side: int) -> torch.Tensor:
    """The mean of a cells x cells map in a window of pixels, on a grid so fine that every point
    lies in one pixel and one cell."""
    fine = lcm(side, len(values))
    top, left, height, width = (edge * fine // side for edge in box)
    dense = values.repeat_interleave(fine // len(values), 0).repeat_interleave(fine // len(values), 1)
    return dense[top : top + height, left : left + width].mean()


@pytest.mark.parametrize(("side", "cells"), [(28, 8), (32, 8), (224, 7), (8, 2), (16, 4), (10, 10)])
def test_window_means_are_area_integrals(side, cells):
    boxes = torch.cat([corner_boxes(side, ALL), grid_boxes(side, 3)])
    values = noise(cells, cells)
    found = area_weights(boxes, side, cells, values) @ values.flatten()
    expected = torch.stack([brute_force_mean(values, box, side) for box in boxes.tolist()])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@few
@given(st.integers(8, 64), st.integers(1, 12))
def test_area_weights_are_averages(side, cells):
    weights = area_weights(corner_boxes(side, ALL), side, cells, DOUBLE)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(12, dtype=torch.float64))


def among_of(decode="regions", scales=ALL, factor=2):
    return (
        grid_windows(12, factor, DOUBLE)
        if decode == "grid"
        else corner_windows(12, scales, decode == "regions", DOUBLE)
    )


def chosen_windows(classes: int, images: int, of: int, take: int) -> torch.Tensor:
    return torch.rand(classes, images, of, generator=generator()).argsort(-1)[..., :take]


@pytest.mark.parametrize("decode_by", ["regions", "windows", "grid"])
def test_pairs_are_every_image_with_its_chosen_windows_and_for_udd_itself(decode_by):
    among = among_of(decode=decode_by)
    N = len(among.boxes)
    chosen = chosen_windows(2, 3, N, 3)
    pairs = training_pairs(chosen, among, 128, generator())
    for label in range(2):
        whole = [(i, N) for i in range(3)] if decode_by == "regions" else []
        expected = whole + [(i, int(window)) for i in range(3) for window in chosen[label, i]]
        assert sorted(map(tuple, pairs[label].tolist())) == sorted(expected)


@few
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 12), st.integers(1, 40), st.integers(0, 9))
def test_no_more_than_max_pairs_none_twice(classes, images, selected, most, seed):
    among = among_of()
    chosen = chosen_windows(classes, images, 12, selected)
    everything = training_pairs(chosen, among, 10**6, generator(seed))
    pairs = training_pairs(chosen, among, most, generator(seed))
    assert everything.shape[1] == (1 + selected) * images
    assert pairs.shape == (classes, min(most, (1 + selected) * images), 2)
    for drawn, possible in zip(pairs.tolist(), everything.tolist(), strict=True):
        drawn, possible = set(map(tuple, drawn)), set(map(tuple, possible))
        assert len(drawn) == pairs.shape[1]
        assert drawn <= possible


def test_pairs_are_drawn_uniformly_for_each_class_anew():
    among, chosen = among_of(), chosen_windows(2, 2, 12, 2)  # 6 pairs a class, of which 3 are drawn
    source, counts = generator(), torch.zeros(2, 2, 13)
    differ = 0
    for _ in range(600):
        pairs = training_pairs(chosen, among, 3, source)
        for label in range(2):
            counts[label][pairs[label, :, 0], pairs[label, :, 1]] += 1
        differ += not torch.equal((pairs[0, :, 1] == 12).sort().values, (pairs[1, :, 1] == 12).sort().values)
    drawn = counts[counts > 0]
    assert len(drawn) == 12
    assert (drawn - 300).abs().max() < 60  # five standard deviations
    assert differ > 100


def test_the_same_generator_gives_the_same_pairs():
    among, chosen = among_of(), chosen_windows(2, 4, 12, 8)
    first, second, other = (training_pairs(chosen, among, 7, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_decoding_a_class_is_cropping_pair_by_pair():
    among = among_of()
    images, pairs = noise(3, 2, 12, 12), torch.tensor([[2, 5], [0, 12], [2, 0], [1, 11]])
    found = decode(images, pairs, among)
    for result, (image, window) in zip(found, pairs.tolist(), strict=True):
        if window == 12:
            assert torch.equal(result, images[image])
            continue
        top, left, height, width = among.boxes[window].tolist()
        crop = images[image : image + 1, :, top : top + height, left : left + width]
        torch.testing.assert_close(result, F.interpolate(crop, (12, 12), mode="bilinear")[0], rtol=0, atol=1e-14)


def test_candidates_follow_the_configuration():
    udd, alone, idc = (
        among_of(scales=["half"]),
        among_of(decode="windows", scales=["half"]),
        among_of(decode="grid", factor=3),
    )
    assert torch.equal(udd.boxes, corner_boxes(12, ["half"])) and udd.whole
    assert torch.equal(alone.boxes, udd.boxes) and not alone.whole
    assert torch.equal(idc.boxes, grid_boxes(12, 3)) and not idc.whole


@pytest.mark.parametrize("side", [s for s in SIDES if s % 2 == 0])
def test_all_windows_of_half_the_side_alone_are_idcs_grid(side):
    images = noise(1, 1, side, side)
    alone, idc = corner_windows(side, ["half"], False, images), grid_windows(side, 2, images)
    assert all(torch.equal(a, b) for a, b in zip(alone[:3], idc[:3], strict=True)) and alone.whole == idc.whole
