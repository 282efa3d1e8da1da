"""Search policies (Secs. 2.3, 2.4): how much the network uses each candidate window. The P lowest windows of an
image are underutilised.

One forward of the whole images serves all windows: they are laid on the feature map (Fig. 4b). Every policy returns one
score an image and window, [B, N]; lower means less used.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.config.sections import takes_all
from udd.errors import UserError
from udd.networks.architectures import Network, images_at_once
from udd.networks.augment import normalise
from udd.synthetic.regions import area_weights


def activation_map(network: Network, images: Tensor, mean: Tensor, std: Tensor, layer: int = -1) -> Tensor:
    """Channel mean of a block's post-activation map (by default the last's), before its pooling.
    [B, K, H, W] in [0, 1] -> [B, h, w]."""
    return network.features(normalise(images, mean, std), layer)[0].mean(1)


def window_means(maps: Tensor, boxes: Tensor, side: int, grow: int = 0) -> Tensor:
    """Area-weighted mean of each map inside each window. [B, h, h] -> [B, N]. grow: as area_weights takes it."""
    return maps.flatten(1) @ area_weights(boxes, side, maps.shape[-1], maps, grow).T


@torch.no_grad()
def activation_maps(network: Network, images: Tensor, mean: Tensor, std: Tensor, layer: int = -1) -> Tensor:
    """The activation maps of many images, a few at a time. [B, h, w]."""
    return torch.cat(
        [activation_map(network, part, mean, std, layer) for part in images.split(images_at_once(images.shape[-1]))]
    )


@torch.no_grad()
def activation(network: Network, images: Tensor, boxes: Tensor, mean: Tensor, std: Tensor, layer: int = -1) -> Tensor:
    """Lambda_n: the mean activation in the window (Eq. 1). [B, N]."""
    return window_means(activation_maps(network, images, mean, std, layer), boxes, images.shape[-1], network.grow)


def gradient_map(
    network: Network, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor, layer: int | None = -1
) -> Tensor:
    """The mean absolute gradient of an image's cross-entropy over the channels of a block's map, or of the
    pixels (None). [B, h, w]."""
    pixels = images.detach().requires_grad_()
    maps, embedding = network.features(normalise(pixels, mean, std), -1 if layer is None else layer)
    # An image's gradient is its own alone
    loss = F.cross_entropy(network.classifier(embedding), labels, reduction="sum")
    (found,) = torch.autograd.grad(loss, pixels if layer is None else maps)
    return found.abs().mean(1)


def gradient(
    network: Network, images: Tensor, labels: Tensor, boxes: Tensor, mean: Tensor, std: Tensor, layer: int | None = -1
) -> Tensor:
    """Lambda_n: the mean of the gradient's map in the window (Sec. 2.3). [B, N]."""
    each = images_at_once(images.shape[-1])
    parts = zip(images.split(each), labels.split(each), strict=True)
    maps = torch.cat([gradient_map(network, part, own, mean, std, layer) for part, own in parts])
    return window_means(maps, boxes, images.shape[-1], 0 if layer is None else network.grow)


def jittered(images: Tensor, kind: str, sigma: float, generator: torch.Generator) -> Tensor:
    """One jittered copy (Eq. 2). Gaussian and uniform noise have standard deviation sigma; salt and pepper
    replaces that share of the pixels (all channels of a pixel at once, half by 0 and half by 1). Not clamped: the
    mean of the noise stays 0."""
    if kind == "gaussian":
        return images + sigma * torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    if kind == "uniform":
        draw = torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype)
        return images + sigma * 3**0.5 * (2 * draw - 1)
    draw = torch.rand(images[:, :1].shape, generator=generator, device=images.device, dtype=images.dtype)
    return torch.where(draw < sigma, (draw < sigma / 2).to(images.dtype), images)


@torch.no_grad()
def jitter(
    network: Network,
    images: Tensor,
    boxes: Tensor,
    mean: Tensor,
    std: Tensor,
    kind: str,
    sigma: float,
    copies: int,
    generator: torch.Generator,
    layer: int = -1,
) -> Tensor:
    """sigma_n = |Lambda_n - mean of Lambda_n over jittered copies of the whole image| (Eqs. 2-4). [B, N]."""
    # [(1 + M) B, K, H, W]
    batch = torch.cat([images] + [jittered(images, kind, sigma, generator) for _ in range(copies)])
    responses = activation(network, batch, boxes, mean, std, layer).unflatten(0, (1 + copies, -1))  # [1 + M, B, N]
    return (responses[0] - responses[1:].mean(0)).abs()


@torch.no_grad()
def jitter_map(
    network: Network,
    images: Tensor,
    boxes: Tensor,
    mean: Tensor,
    std: Tensor,
    kind: str,
    sigma: float,
    copies: int,
    generator: torch.Generator,
    layer: int = -1,
) -> Tensor:
    """Eqs. 2 to 4 read place by place: the window's mean of |A - mean of A over jittered copies|, A
    the activation map. [B, N].

    As printed, changes of opposite sign cancel in a window's mean before the absolute value is taken, so that mostly
    noise is left, and less of it the larger the window is.
    """
    # [(1 + M) B, K, H, W]
    batch = torch.cat([images] + [jittered(images, kind, sigma, generator) for _ in range(copies)])
    maps = activation_maps(network, batch, mean, std, layer).unflatten(0, (1 + copies, -1))  # [1 + M, B, h, w]
    return window_means((maps[0] - maps[1:].mean(0)).abs(), boxes, images.shape[-1], network.grow)


def ranks(scores: Tensor) -> Tensor:
    """The place of each score in its row, from 0 (lowest); ties by position. [..., N] -> int64 [..., N]."""
    return scores.argsort(dim=-1, stable=True).argsort(-1)


def vote(scores: list[Tensor], selected: int) -> Tensor:
    """Each policy marks its P lowest windows; most votes first, ties by mean rank (Sec. 2.4, Table
    2). List of [B, N] -> [B, N]."""
    places = torch.stack([ranks(score) for score in scores])  # [policies, B, N]
    votes = (places < selected).sum(0)
    return places.double().mean(0) - votes * places.shape[-1]  # a vote outweighs any mean rank


def reranked(scores: Tensor, ranking: str) -> Tensor:
    """Scores as they rank the windows: plain; within their scale (ties among scales by the plain rank); or
    standardised over each scale.

    Averaging over more pixels shrinks the jitter policy's score, so plain ranking prefers large
    windows; the two others do not.
    """
    if ranking == "plain":
        return scores
    groups = scores.unflatten(-1, (-1, 4))  # [B, scales, 4]: four corners a scale
    if ranking == "within_scale":
        return ranks(groups).flatten(-2) + ranks(scores) / scores.shape[-1]
    centre = groups.mean((0, 2), keepdim=True)
    spread = (groups - centre).square().mean((0, 2), keepdim=True).sqrt().clamp(min=torch.finfo(scores.dtype).tiny)
    return ((groups - centre) / spread).flatten(-2)


def search_layer(network: Network, own: dict) -> int:
    """The block whose map is searched: the last, or that of the given number, counted from 1. Raises
    UserError if there is no such block."""
    layer, blocks = own["search_layer"], len(network.blocks)
    if layer in ("last", "pixels"):
        return -1
    if layer > blocks:
        raise UserError(f"udd.search_layer: block {layer} of a network with {blocks}; give 1 to {blocks}, or last")
    return layer - 1


def scores(
    network: Network,
    images: Tensor,
    labels: Tensor,
    boxes: Tensor,
    mean: Tensor,
    std: Tensor,
    own: dict,
    generator: torch.Generator,
) -> Tensor:
    """The scores that the configured policy gives every window of every image. [B, K, H, W], int64 [B]
    -> [B, N], lower is less used."""
    policy, layer = own["policy"], search_layer(network, own)
    noise = (own["jitter"], own["jitter_sigma"], own["jitter_copies"], generator)
    if policy == "random":
        return torch.rand(len(images), len(boxes), generator=generator, device=images.device)
    if policy == "activation":
        return reranked(activation(network, images, boxes, mean, std, layer), own["ranking"])
    if policy == "gradient":
        at = None if own["search_layer"] == "pixels" else layer
        return reranked(gradient(network, images, labels, boxes, mean, std, at), own["ranking"])
    if policy == "jitter":
        return reranked(jitter(network, images, boxes, mean, std, *noise, layer), own["ranking"])
    if policy == "jitter_map":
        return reranked(jitter_map(network, images, boxes, mean, std, *noise, layer), own["ranking"])
    if policy == "vote":
        each = ("jitter", "gradient", "activation")
        found = [scores(network, images, labels, boxes, mean, std, own | {"policy": name}, generator) for name in each]
        return vote(found, own["selected"])
    raise ValueError(f"policy {policy}: expected jitter, jitter_map, gradient, activation, vote or random")


def search(
    network: Network, images: Tensor, boxes: Tensor, mean: Tensor, std: Tensor, own: dict, generator: torch.Generator
) -> Tensor:
    """Rank every image's windows, the least used first. [C, B, K, H, W] -> int64 ranks [C, B, N].

    Where all windows are taken (policy `all`) nothing is searched, and the ranks are the windows' own order.
    """
    C, B = images.shape[:2]
    if takes_all(own):
        return torch.arange(len(boxes), device=images.device).expand(C, B, -1)
    labels = torch.arange(C, device=images.device).repeat_interleave(B)
    flat = images.detach().flatten(0, 1)  # [C B, K, H, W]
    return ranks(scores(network, flat, labels, boxes, mean, std, own, generator)).view(C, B, -1)


def lowest(places: Tensor, own: dict) -> Tensor:
    """The windows to train on: the P lowest of each image, or all of them for policy `all`.
    [C, B, N] -> int64 [C, B, P]."""
    count = places.shape[-1] if takes_all(own) else own["selected"]
    return places.argsort(dim=-1, stable=True)[..., :count]
