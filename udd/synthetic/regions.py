"""Candidate regions (Sec. 2.2): where they lie, how they are cropped and enlarged, how a feature
map is averaged inside them.

A window is (top, left, height, width) in pixels. Cropping a window and enlarging it to the image's side is linear and
separable, so it is two matrices: `rows @ image @ columns.T`. Differentiable any number of times, and one batched
product for any mixture of windows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Box = tuple[int, int, int, int]
SCALES = {"third": 1 / 3, "half": 1 / 2, "two_thirds": 2 / 3}


class Windows(NamedTuple):
    """Windows of an image of one side, and the whole image behind them.

    boxes: int64 [N, 4]; rows, columns: [N + 1, H, H] resizing matrices, of which the last is the identity (the
    whole image); whole: whether the whole image is itself a training image (UDD) or only its windows are (IDC,
    and UDD's `decode: windows`).
    """

    boxes: Tensor
    rows: Tensor
    columns: Tensor
    whole: bool


def corners(side: int, scales: list[str]) -> list[Box]:
    """The candidate windows of an image of `side` pixels: for each scale one in each corner, sides rounded."""
    boxes = []
    for scale in scales:
        length = round(side * SCALES[scale])
        end = side - length
        boxes += [(top, left, length, length) for top in (0, end) for left in (0, end)]
    return boxes


def grid(side: int, factor: int) -> list[Box]:
    """IDC's uniform multi-formation: factor x factor windows that tile the image, edges rounded."""
    edges = [round(side * i / factor) for i in range(factor + 1)]
    spans = [(edges[i], edges[i + 1] - edges[i]) for i in range(factor)]
    return [(top, left, height, width) for top, height in spans for left, width in spans]


def corner_boxes(side: int, scales: list[str]) -> Tensor:
    """UDD's candidates. int64 [4 * len(scales), 4]."""
    return torch.tensor(corners(side, scales))


def grid_boxes(side: int, factor: int) -> Tensor:
    """IDC's windows. int64 [factor ** 2, 4]."""
    return torch.tensor(grid(side, factor))


def resize_matrix(start: int, length: int, side: int) -> Tensor:
    """Bilinear resizing (half-pixel centres) of pixels start ... start + length - 1 of a row of `side` to `side`
    pixels. float64 [side, side]."""
    centre = ((torch.arange(side, dtype=torch.float64) + 0.5) * length / side - 0.5).clamp(0, length - 1)
    low = centre.floor().long()
    high = (low + 1).clamp(max=length - 1)
    weight = centre - low
    matrix = torch.zeros(side, side, dtype=torch.float64)
    index = torch.arange(side)
    matrix.index_put_((index, start + low), 1 - weight, accumulate=True)
    matrix.index_put_((index, start + high), weight, accumulate=True)
    return matrix


def windows(boxes: Tensor, side: int, whole: bool, like: Tensor) -> Windows:
    """The windows with their resizing matrices, of the type and on the device of `like`. boxes: int64 [N, 4]."""
    return windows_at([(top, left, height, width) for top, left, height, width in boxes.tolist()], side, whole, like)


def windows_at(boxes: list[Box], side: int, whole: bool, like: Tensor) -> Windows:
    """The same of numbers, so that tensors without memory do as well (udd.costs.own)."""
    identity = torch.eye(side, dtype=torch.float64)
    rows = torch.stack([resize_matrix(top, height, side) for top, _, height, _ in boxes] + [identity])
    columns = torch.stack([resize_matrix(left, width, side) for _, left, _, width in boxes] + [identity])
    return Windows(
        torch.tensor(boxes, dtype=torch.int64, device=like.device).view(-1, 4), rows.to(like), columns.to(like), whole
    )


def corner_windows(side: int, scales: list[str], whole: bool, like: Tensor) -> Windows:
    """UDD's candidates (Sec. 2.2), with the whole image or without."""
    return windows_at(corners(side, scales), side, whole, like)


def grid_windows(side: int, factor: int, like: Tensor) -> Windows:
    """IDC's windows, which tile the image."""
    return windows_at(grid(side, factor), side, False, like)


def all_windows(images: Tensor, among: Windows) -> Tensor:
    """The numbers of all windows, for every image. [C, B, K, H, W] -> int64 [C, B, N]."""
    return torch.arange(len(among.boxes), device=images.device).expand(*images.shape[:2], -1)


def crop_resize(images: Tensor, window: Tensor, among: Windows) -> Tensor:
    """Window number `window[b]` (N: the whole) of each image, enlarged to its size. [B, K, H, W],
    int64 [B] -> [B, K, H, W]."""
    rows, columns = among.rows[window].unsqueeze(1), among.columns[window].unsqueeze(1)  # [B, 1, H, H]
    return rows @ images @ columns.mT


def training_pairs(chosen: Tensor, among: Windows, most: int, generator: torch.Generator) -> Tensor:
    """The (image, window) pairs that make S_c^train of each class (Algorithm 1, line 6): the chosen windows, and
    the whole images for UDD.

    chosen: int64 [C, B, P] window numbers of each image. Returns int64 [C, Q, 2] with Q = (P or 1 + P) * B, or `most`
    drawn at random if more.
    """
    C, B, _ = chosen.shape
    if among.whole:
        chosen = torch.cat([torch.full_like(chosen[:, :, :1], len(among.boxes)), chosen], 2)  # [C, B, 1 + P]
    image = torch.arange(B, device=chosen.device).view(1, B, 1).expand_as(chosen)
    pairs = torch.stack([image, chosen], 3).flatten(1, 2)  # [C, Q, 2]
    if pairs.shape[1] <= most:
        return pairs
    order = torch.rand(C, pairs.shape[1], generator=generator, device=pairs.device).argsort(1)[:, :most]
    return pairs.gather(1, order.unsqueeze(2).expand(-1, -1, 2))


def decode(images: Tensor, pairs: Tensor, among: Windows) -> Tensor:
    """The training images of one class from its (image, window) pairs: [B, K, H, W], int64 [Q, 2] -> [Q, K, H, W]."""
    return crop_resize(images[pairs[:, 0]], pairs[:, 1], among)


def overlap(start: Tensor, length: Tensor, cells: int) -> Tensor:
    """How much of each of `cells` unit cells in a row lies in [start, start + length]. float64 [N], [N] -> [N,
    cells]."""
    left = torch.arange(cells, dtype=torch.float64, device=start.device)
    end = (start + length).unsqueeze(1)
    return (torch.minimum(left + 1, end) - torch.maximum(left, start.unsqueeze(1))).clamp(min=0)


def area_weights(boxes: Tensor, side: int, cells: int, like: Tensor, grow: int = 0) -> Tensor:
    """Weights that average a cells x cells map of an image of `side` pixels inside each window, by area (Fig. 4b).
    [N, cells ** 2], rows sum to 1.

    grow: the pixels that the network's first convolution adds on each side (28 grow to 32), which the map covers too.
    All windows at once, where they lie: asking for a window's place would make a GPU wait at every search.
    """
    top, left, height, width = (
        (boxes.double() + boxes.new_tensor([grow, grow, 0, 0])) * (cells / (side + 2 * grow))
    ).unbind(1)
    areas = overlap(top, height, cells).unsqueeze(2) * overlap(left, width, cells).unsqueeze(1)  # [N, cells, cells]
    return (areas / areas.sum((1, 2), keepdim=True)).flatten(1).to(like)
