"""Neural tangent kernels of infinitely wide ReLU networks, exact and differentiable, and ridge regression with them
(KIP, Nguyen et al. 2021).

Layers are in the NTK parameterisation (Jacot et al. 2018): weights N(0, 1), times sqrt(WEIGHT / fan-in), and biases
N(0, 1), times sqrt(BIAS). A pair of images has a covariance of activations and a tangent kernel; an affine layer maps
them linearly, a ReLU by the arc-cosine formulas (Cho & Saul 2009). A ReLU also needs the variances of both images
there, so these are found first.

What it costs. `dense` is one product of images and some work on [N, M] numbers a layer. `convolutional` holds the
covariance of every pixel of one image with every pixel of the other, [H, H', W, W'] a pair: at 32 pixels 8 MB in
float64, 110 MB with what its gradient needs. So it goes a few pairs of images at a time (`pairs`), and what they need
is computed again on the way back. At 32 pixels a pair takes 0.3 s of a CPU core, forward, again and back: at an IPC of
1 a step beside 640 images of CIFAR-10 half an hour. Both numbers grow with the fourth power of the side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

WEIGHT, BIAS = 2.0, 0.01  # variances, as in the authors' notebook
Kernel = Callable[[Tensor, Tensor], Tensor]  # images [N, K, H, W], [M, K, H, W] -> [N, M]
SIDE = 3  # of a convolution, with so much zero padding that the image's side stays


class Pair(NamedTuple):
    """Of one layer's outputs, for pairs of images: the covariance (of one channel, over networks) and the tangent
    kernel. Shapes are the same."""

    covariance: Tensor
    tangent: Tensor


# --- layers ---


def affine(covariance: Tensor) -> Tensor:
    """The covariance after random weights and biases."""
    return WEIGHT * covariance + BIAS


def begun(covariance: Tensor) -> Pair:
    """After the first layer, before which there are no parameters."""
    after = affine(covariance)
    return Pair(after, after)


def linear(pair: Pair) -> Pair:
    """After a layer of weights and biases: its own parameters' gradients give the covariance, those before it
    come through the weights."""
    after = affine(pair.covariance)
    return Pair(after, after + WEIGHT * pair.tangent)


def angle(cosine: Tensor) -> Tensor:
    """arccos, with a derivative of 0 at the ends, where torch's is infinite.

    At 1 the images are the same, the cosine is at its largest, and the formulas below keep their
    derivatives by the image that moves.
    """
    inside = cosine.abs() < 1 - 4 * torch.finfo(cosine.dtype).eps
    found = torch.where(inside, cosine, 0).arccos()
    return torch.where(inside, found, (1 - cosine.sign()) * (math.pi / 2))


def arccosine(covariance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """E[relu(u) relu(v)] and P(u > 0, v > 0) of normal u, v, given their covariance and variances,
    which may broadcast to it."""
    scale = (one * other).sqrt()
    theta = angle(covariance / scale)
    return scale * (theta.sin() + (math.pi - theta) * theta.cos()) / (2 * math.pi), (math.pi - theta) / (2 * math.pi)


def relu(pair: Pair, one: Tensor, other: Tensor) -> Pair:
    """After a ReLU, given the variances of both images before it."""
    after, slope = arccosine(pair.covariance, one, other)
    return Pair(after, slope * pair.tangent)


# --- the dense network ---


def dense(one: Tensor, other: Tensor, depth: int) -> Tensor:
    """The tangent kernel of a fully connected network of `depth` hidden layers. [N, ...], [M, ...] -> [N, M]."""
    one, other = one.flatten(1), other.flatten(1)
    first, second = (affine(each.square().mean(1)) for each in (one, other))  # variances
    pair = begun(one @ other.T / one.shape[1])
    for _ in range(depth):
        pair = linear(relu(pair, first.unsqueeze(1), second))
        first, second = affine(first / 2), affine(second / 2)
    return pair.tangent


# --- the convolutional network ---


def diagonal_sum(maps: Tensor) -> Tensor:
    """The sum over shifts of both of the last two axes by the same, from -1 to 1; 0 outside."""
    padded, (high, wide) = F.pad(maps, (1, 1, 1, 1)), maps.shape[-2:]
    return padded[..., :high, :wide] + maps + padded[..., 2:, 2:]


def convolved(covariance: Tensor) -> Tensor:
    """The mean over the pixels of a 3 x 3 window, shifted alike in both images. [..., H, H', W, W'] -> the same."""
    for _ in range(2):  # columns, then rows
        covariance = diagonal_sum(covariance).movedim((-2, -1), (-4, -3))
    return covariance / SIDE**2


def pooled(covariance: Tensor) -> Tensor:
    """After an average of 2 x 2 pixels in both images; an odd row or column at the end is left out, a single one
    stays. [..., H, H', W, W']."""
    for axis in range(-4, 0):
        if (side := covariance.shape[axis]) > 1:
            covariance = covariance.narrow(axis, 0, side // 2 * 2).unflatten(axis, (-1, 2)).mean(axis)
    return covariance


def same_pixel(covariance: Tensor) -> Tensor:
    """Each pixel with the same one of the other image. [..., H, H, W, W] -> [..., H, W]."""
    return covariance.diagonal(dim1=-2, dim2=-1).diagonal(dim1=-3, dim2=-2).mT


def flat(covariance: Tensor) -> Tensor:
    """As a dense layer meets it, whose weights at two pixels have nothing in common: the mean over pixels.
    [..., H, H, W, W] -> [...]."""
    return same_pixel(covariance).mean((-2, -1))


def variances(images: Tensor, depth: int) -> tuple[Tensor, ...]:
    """The variance of every pixel before each ReLU: `depth` tensors [N, h, w]. A pool mixes pixels, so it takes all
    covariances of an image."""
    covariance, found = torch.einsum("nkhw,nkgv->nhgwv", images, images) / images.shape[1], []
    for _ in range(depth):
        covariance = affine(convolved(covariance))
        found.append(same_pixel(covariance))
        own = found[-1]
        covariance = pooled(arccosine(covariance, own[:, :, None, :, None], own[:, None, :, None, :])[0])
    return tuple(found)


def block(one: Tensor, other: Tensor, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The tangent kernel of all pairs of a few images, given their variances. [N, K, H, W], [M, K, H, W] -> [N, M]."""
    pair = begun(convolved(torch.einsum("nkhw,mkgv->nmhgwv", one, other) / one.shape[1]))
    for left, (a, b) in zip(range(len(first) - 1, -1, -1), zip(first, second, strict=True), strict=True):
        after = relu(pair, a[:, None, :, None, :, None], b[None, :, None, :, None, :])
        pair = linear(Pair(*((convolved if left else flat)(pooled(each)) for each in after)))
    return pair.tangent


def again(function: Callable[..., Any], *given: Any) -> Any:
    """What the function gives; what its gradient needs is not kept, but computed again on the way back."""
    return checkpoint(function, *given, use_reentrant=False, preserve_rng_state=False)


def convolutional(one: Tensor, other: Tensor, depth: int, pairs: int) -> Tensor:
    """The tangent kernel of `depth` times a 3 x 3 convolution, ReLU and average of 2 x 2, then a dense
    layer, without any norm.

    [N, K, H, W], [M, K, H, W] -> [N, M], at most `pairs` pairs at a time.
    """
    wide = min(len(other), pairs)
    parts = []
    for images, size in ((one, pairs // wide), (other, wide)):
        among = [again(variances, part, depth) for part in images.split(pairs)]
        known = [torch.cat(layer) for layer in zip(*among, strict=True)]
        split = zip(*(layer.split(size) for layer in known), strict=True)
        parts.append(list(zip(images.split(size), split, strict=True)))
    rows = [[again(block, a, b, first, second) for b, second in parts[1]] for a, first in parts[0]]
    return torch.cat([torch.cat(row, 1) for row in rows])


# --- ridge regression ---


def predicted(between: Tensor, own: Tensor, labels: Tensor, ridge: float) -> Tensor:
    """K_ts (K_ss + lambda I)^-1 y_s, with lambda = `ridge` times the mean of K_ss's diagonal. [T, S],
    [S, S], [S, C] -> [T, C]."""
    system = own + ridge * own.diagonal().mean() * torch.eye(len(own), dtype=own.dtype, device=own.device)
    return between @ torch.linalg.solve_ex(system, labels).result
