"""CutMix against loops: the box that it pastes, the area that it says, how often it happens."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import generator, noise

from udd.networks.augment import cutmix

few = settings(deadline=None, max_examples=25)
DOUBLE = torch.float64


@few
@given(st.integers(0, 9999), st.floats(0.2, 3), st.integers(4, 12))
def test_cutmix_pastes_a_box_and_says_its_area(seed, beta, side):
    images = torch.arange(1, 6, dtype=DOUBLE).view(5, 1, 1, 1).expand(5, 2, side, side)
    labels = torch.arange(10, 15)
    found, first, second, share = cutmix(images, labels, beta, 1.0, generator(seed))
    assert torch.equal(first, labels)
    assert sorted(second.tolist()) == labels.tolist()
    own = torch.zeros(side, side, dtype=torch.bool)
    for i in range(5):
        pasted = images[second[i] - 10, 0]
        mine = found[i] == images[i]
        assert torch.equal(found[i], torch.where(mine, images[i], pasted.expand(2, side, side)))
        if first[i] != second[i]:
            own = mine[0]
            assert torch.equal(mine[0], mine[1])
            assert share.item() == pytest.approx(own.double().mean().item(), abs=1e-12)
            rows, columns = (~own).any(1).nonzero()[:, 0], (~own).any(0).nonzero()[:, 0]
            if len(rows):
                box = own[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                assert not box.any()
                assert box.numel() == (~own).sum()


def test_cutmix_happens_with_its_probability_and_beta_1_is_uniform():
    images, labels, source = noise(4, 1, 32, 32), torch.arange(4), generator()
    assert all(cutmix(images, labels, 1.0, 0.0, source)[3] == 1 for _ in range(20))
    shares = torch.stack([cutmix(images, labels, 1.0, 0.5, source)[3] for _ in range(800)])
    mixed = shares < 1
    assert 320 < mixed.sum() < 450  # half, less the boxes that round to nothing
    assert cutmix(images, labels, 1.0, 0.0, source)[0].equal(images)
    # uniform areas in a 32 x 32 image, centred anywhere and clipped: the mean, by simulation of the definition
    rule, areas = torch.Generator().manual_seed(1), []
    for _ in range(4000):
        area, x, y = torch.rand(3, generator=rule).tolist()
        half = int(32 * math.sqrt(area)) // 2
        spans = [max(0, min(32, int(c * 32) + half) - max(0, int(c * 32) - half)) for c in (x, y)]
        areas.append(spans[0] * spans[1] / 1024)
    expected = sum(areas) / len(areas)
    always = torch.stack([1 - cutmix(images, labels, 1.0, 1.0, source)[3] for _ in range(800)])
    assert always.mean().item() == pytest.approx(expected, abs=0.03)


def test_a_small_beta_mixes_all_or_nothing_and_a_large_one_by_halves():
    images, labels, source = noise(4, 1, 32, 32), torch.arange(4), generator()
    spread = {
        beta: torch.stack([cutmix(images, labels, beta, 1.0, source)[3] for _ in range(400)]).std().item()
        for beta in (0.2, 5.0)
    }
    assert spread[0.2] > 1.5 * spread[5.0]
