"""Slow and obvious versions of what the code does fast, one image, one window, one class at a time."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.networks.architectures import Network


def slow_color(image: Tensor, u: Tensor) -> Tensor:
    """Brightness by u0 - 1/2; distance from grey times 2 u1; distance from the mean times u2 + 1/2. [K, H, W]."""
    image = image + (u[0] - 0.5)
    grey = sum(image[k] for k in range(len(image))) / len(image)
    image = torch.stack([grey + 2 * u[1] * (image[k] - grey) for k in range(len(image))])
    mean = image.sum() / image.numel()
    return mean + (u[2] + 0.5) * (image - mean)


def shifted(image: Tensor, down: int, across: int) -> Tensor:
    """result[y, x] = image[y + down, x + across], 0 outside. [K, H, W]."""
    side = image.shape[-1]
    padded = F.pad(image, (side, side, side, side))
    return padded[:, side + down : 2 * side + down, side + across : 2 * side + across]


def slow_cutout(image: Tensor, corner: list[float]) -> Tensor:
    """A square of half the side (rounded up) becomes 0. [K, H, W]; corner: top, left."""
    size, side = (image.shape[-1] + 1) // 2, image.shape[-1]
    kept = torch.ones(side, side, dtype=image.dtype)
    for y in range(side):
        for x in range(side):
            if corner[0] <= y < corner[0] + size and corner[1] <= x < corner[1] + size:
                kept[y, x] = 0
    return image * kept


def seen_through(image: Tensor, theta: Tensor) -> Tensor:
    """The image through an affine map (output to input, coordinates from -1 to 1 at the outer edges), pixel by
    pixel: bilinear, 0 outside."""
    side, found = image.shape[-1], torch.zeros_like(image)
    for row in range(side):
        for column in range(side):
            place = torch.tensor([(2 * column + 1) / side - 1, (2 * row + 1) / side - 1, 1.0], dtype=theta.dtype)
            x, y = (((theta[:2] @ place + 1) * side - 1) / 2).tolist()
            for i in (math.floor(y), math.floor(y) + 1):
                for j in (math.floor(x), math.floor(x) + 1):
                    if 0 <= i < side and 0 <= j < side:
                        found[:, row, column] += image[:, i, j] * (1 - abs(y - i)) * (1 - abs(x - j))
    return found


def slow_augment(image: Tensor, draws: dict[str, Tensor]) -> Tensor:
    """Colour, geometry, cutout, as far as they were drawn. One image [K, H, W], one draw."""
    if "color" in draws:
        image = slow_color(image, draws["color"])
    if "affine" in draws:
        across, down = (draws["affine"][:2, 2] * image.shape[-1] / 2).tolist()
        whole = abs(across - round(across)) < 1e-9 and abs(down - round(down)) < 1e-9
        shift = whole and torch.equal(draws["affine"][:2, :2], torch.eye(2, dtype=draws["affine"].dtype))
        image = shifted(image, round(down), round(across)) if shift else seen_through(image, draws["affine"])
    if "cutout" in draws:
        image = slow_cutout(image, draws["cutout"].tolist())
    return image


def enlarged(image: Tensor, box: list[int] | None) -> Tensor:
    """A window (top, left, height, width) of an image, cropped and resized to its side; None: the whole."""
    if box is None:
        return image
    top, left, height, width = box
    crop = image[None, :, top : top + height, left : left + width]
    return F.interpolate(crop, tuple(image.shape[-2:]), mode="bilinear", align_corners=False)[0]


def standardised(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(x - mean) / std, channel by channel."""
    return torch.stack([(image[k] - mean[k]) / std[k] for k in range(len(image))])


def class_loss(
    network: Network, pixels: Tensor, chosen: list[tuple[int, list[int] | None]], label: int, real: Tensor,
    averages: Tensor,
    draws: dict[str, Tensor], mean: Tensor, std: Tensor, distill: dict,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """L_g (Eq. 9), L_c (Eq. 7) and mean feature of one class. chosen: (image, window) pairs that make
    S_c^train; pixels [B, K, H, W]."""
    weights = matched(network, distill)
    target = [torch.zeros_like(weight) for weight in weights]
    for image in real:
        inputs = slow_augment(standardised(image, mean, std), draws).unsqueeze(0)
        loss = F.cross_entropy(network(inputs), torch.tensor([label]))
        for total, gradient in zip(target, torch.autograd.grad(loss, weights), strict=True):
            total += gradient / len(real)
    train = torch.stack([slow_augment(standardised(enlarged(pixels[i], box), mean, std), draws) for i, box in chosen])
    return train_loss(network, train, label, target, averages, distill)


def train_loss(
    network: Network, train: Tensor, label: int, target: list[Tensor], averages: Tensor, distill: dict
) -> tuple[Tensor, Tensor, Tensor]:
    """L_g (Eq. 9), L_c (Eq. 7) and mean feature of one class's training images [Q, K, H, W], given the real
    gradient."""
    weights = matched(network, distill)
    loss = F.cross_entropy(network(train), torch.full((len(train),), label))
    found = torch.autograd.grad(loss, weights, create_graph=True)
    loss_gradient = train.new_zeros(())
    for a, b in zip(target, found, strict=True):
        loss_gradient = loss_gradient + ((a - b) ** 2 if distill["distance"] == "mse" else (a - b).abs()).sum()
    feature = network.features(train)[1].sum(0) / len(train)
    similar = [
        ((feature @ average) / (feature.norm() * average.norm()) / distill["cfc_temperature"]).exp()
        for average in averages.detach()
    ]
    loss_cfc = -(similar[label] / sum(value for i, value in enumerate(similar) if i != label)).log()
    return loss_gradient, loss_cfc, feature


def matched(network: Network, distill: dict) -> list[Tensor]:
    """The weights whose gradients are matched."""
    return [weight for weight in network.parameters() if distill["matched"] == "all" or weight.ndim == 4]
