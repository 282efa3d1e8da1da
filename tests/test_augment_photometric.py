"""Photometric distortion and lighting, each against a slow and direct one, pixel by pixel."""

import pytest
import torch
from tiny import generator, noise

from udd.errors import UserError
from udd.networks.augment import draw, on_pixels, photometric

# Of ImageNet's colours, as published (fb.resnet.torch)
EIGENVALUES = [0.2175, 0.0188, 0.0045]
EIGENVECTORS = [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]


def slow_photometric(image: torch.Tensor, order: list[int], shares: list[float]) -> torch.Tensor:
    """One image [3, H, W], pixel by pixel: brightness (0), contrast (1) and saturation (2) in an
    order, each with its share."""
    for op, share in zip(order, shares, strict=True):
        luma = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        other = {0: torch.zeros_like(luma), 1: torch.full_like(luma, luma.mean().item()), 2: luma}[op]
        image = torch.stack([(1 - share) * channel + share * other for channel in image])
    return image


def test_photometric_is_its_three_operations_in_each_images_own_order():
    images = noise(6, 3, 4, 4)
    order = torch.rand(6, 3, generator=(random := generator(3))).argsort(1)
    shares = (2 * torch.rand(6, 3, generator=random) - 1).double() * 0.4
    found = photometric(images, generator(3))
    for i in range(6):
        torch.testing.assert_close(
            found[i], slow_photometric(images[i], order[i].tolist(), shares[i].tolist()), rtol=1e-6, atol=1e-7
        )
    assert len({tuple(row) for row in order.tolist()}) > 1


def test_lighting_adds_one_colour_an_image():
    images = noise(5, 3, 4, 4)
    found = on_pixels(images, ["lighting"], generator(1)) - images
    alpha = 0.1 * torch.randn(5, 3, generator=generator(1)).double()
    for i in range(5):
        for k in range(3):
            colour = torch.stack([alpha[i, j] * EIGENVALUES[j] * EIGENVECTORS[k][j] for j in range(3)]).sum()
            torch.testing.assert_close(found[i, k], colour.expand(4, 4), rtol=1e-6, atol=1e-9)
    with pytest.raises(UserError, match="1 channels"):
        on_pixels(noise(2, 1, 4, 4), ["lighting"], generator())


def test_a_grey_image_keeps_its_one_channel():
    assert photometric(noise(2, 1, 4, 4), generator()).shape == (2, 1, 4, 4)


def test_operations_on_pixels_are_not_drawn_with_the_others_and_cost_no_random_number_where_they_are_absent():
    random = generator()
    before = random.get_state()
    images = noise(2, 3, 4, 4)
    assert on_pixels(images, ["color", "flip"], random) is images and torch.equal(random.get_state(), before)
    assert draw(["photometric", "lighting"], 2, 4, random) == {} and torch.equal(random.get_state(), before)
