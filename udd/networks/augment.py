"""Differentiable augmentation (DSA, Zhao & Bilen 2021, with IDC's strengths) and CutMix,
without a branch on drawn values.

`draw` makes the random numbers, `apply` uses them: so a class's real and synthetic images can share one draw, and a
batch can have one an image. All geometry is one resampling: its affine maps are multiplied first. Applied to normalised
images, padding with 0 = the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from udd.errors import UserError

BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5
UNCOLOURED = 0.5  # the number, of those that colour is drawn by, which changes nothing
CROP, CUTOUT, SCALE, ROTATE = 0.125, 0.5, 1.2, 15.0  # share of the side, share of the side, largest ratio, degrees
AREA, ASPECT = 0.5, 4 / 3  # of a resized crop: the smallest share of the image, the largest ratio of its sides

JITTER, LUMA = 0.4, (0.299, 0.587, 0.114)
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))  # in columns

Draws = dict[str, Tensor]


def as_float(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images as floats in [0, 1]: uint8 ones are divided by 255, others left alone."""
    return images.to(dtype) / 255 if images.dtype == torch.uint8 else images


def normalise(images: Tensor, mean: Tensor | Sequence[float], std: Tensor | Sequence[float]) -> Tensor:
    """The network's input transform: (x - mean) / std by channel. [B, K, H, W]; mean, std [K]."""
    centre, spread = (torch.as_tensor(v, dtype=images.dtype, device=images.device).view(-1, 1, 1) for v in (mean, std))
    return (images - centre) / spread


def identity(n: int, like: Tensor) -> Tensor:
    """n affine maps that change nothing, [n, 3, 3]."""
    return torch.eye(3, dtype=like.dtype, device=like.device).expand(n, 3, 3).clone()


def affine(op: str, u: Tensor, side: int) -> Tensor:
    """The affine map (output to input, in coordinates from -1 to 1) of one operation. u: [n, 2]
    uniform in [0, 1) -> [n, 3, 3]."""
    theta = identity(len(u), u)
    if op == "crop":  # shift by whole pixels, up to an eighth of the side
        most = int(side * CROP + 0.5)
        theta[:, :2, 2] = ((u * (2 * most + 1)).floor() - most) * 2 / side
    elif op == "flip":
        theta[:, 0, 0] = torch.where(u[:, 0] < 0.5, -1.0, 1.0)
    elif op == "scale":
        ratio = u * (SCALE - 1 / SCALE) + 1 / SCALE
        theta[:, 0, 0], theta[:, 1, 1] = ratio[:, 0], ratio[:, 1]
    elif op == "rotate":
        angle = (2 * u[:, 0] - 1) * math.radians(ROTATE)
        theta[:, 0, 0], theta[:, 0, 1] = angle.cos(), -angle.sin()
        theta[:, 1, 0], theta[:, 1, 1] = angle.sin(), angle.cos()
    return theta


def resized(u: Tensor) -> Tensor:
    """A crop of half the image to all of it, of some other aspect and place, enlarged to its size (IDC's
    evaluation on ImageNet).

    u: [n, 4] uniform in [0, 1) -> affine maps [n, 3, 3].
    """
    theta = identity(len(u), u)
    area, aspect = AREA + (1 - AREA) * u[:, 0], ASPECT ** (2 * u[:, 1] - 1)
    for axis, side in enumerate(((area * aspect).sqrt(), (area / aspect).sqrt())):
        theta[:, axis, axis] = side.clamp(max=1)
        theta[:, axis, 2] = (1 - side.clamp(max=1)) * (2 * u[:, 2 + axis] - 1)
    return theta


def draw(
    ops: Sequence[str], n: int, side: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Draws:
    """Random numbers for n images (or n groups that share one). `a|b|c` takes one of the three for each
    (DSA takes one of all six).

    Returns affine [n, 3, 3], colour [n, 3], cutout [n, 2] (its corner in pixels), as far as `ops` ask for them.
    """

    def uniform(columns: int) -> Tensor:
        return torch.rand(n, columns, generator=generator, device=generator.device, dtype=dtype)

    draws: Draws = {}
    for op in ops:
        names = op.split("|")
        if op in ON_PIXELS:
            continue
        if op == "resized":
            draws = turned(draws, resized(uniform(4)))
            continue
        which = (uniform(1)[:, 0] * len(names)).long() if names not in (["color"], ["cutout"]) else None  # [n]
        if "color" in names:
            draws["color"] = where_taken(which, names.index("color"), uniform(3), UNCOLOURED)
        if "cutout" in names:
            size = int(side * CUTOUT + 0.5)
            corner = (uniform(2) * (side + 1 - size % 2)).floor() - size // 2
            draws["cutout"] = where_taken(which, names.index("cutout"), corner, float(side))  # else beyond the image
        if which is not None:
            u = uniform(2)
            # [names, n, 3, 3]; of what moves nothing the identity
            theta = torch.stack([affine(name, u, side) for name in names])
            draws = turned(draws, theta[which, torch.arange(n, device=u.device)])
    return draws


def turned(draws: Draws, theta: Tensor) -> Draws:
    """The draws with one more affine map [n, 3, 3], after those before."""
    return draws | {"affine": draws["affine"] @ theta if "affine" in draws else theta}


def where_taken(which: Tensor | None, place: int, drawn: Tensor, otherwise: float) -> Tensor:
    """What was drawn [n, k], and where another operation was taken in its place what changes nothing. which: [n], or
    None where there is no other."""
    return drawn if which is None else torch.where((which == place).unsqueeze(1), drawn, otherwise)


def on_pixels(images: Tensor, ops: Sequence[str], generator: torch.Generator) -> Tensor:
    """Those of the operations that are made for pixels in [0, 1], before they are normalised, with
    a draw an image. [B, K, H, W].

    Raises UserError where lighting meets images that are not of three channels.
    """
    for op in ops:
        if op in ON_PIXELS:
            images = ON_PIXELS[op](images, generator)
    return images


def grey(images: Tensor) -> Tensor:
    """The luma of images of three channels, or the one channel. [B, K, H, W] -> [B, 1, H, W]."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return sum(share * images[:, k : k + 1] for k, share in enumerate(LUMA))  # type: ignore[return-value]  # plain numbers: a GPU waits for no copy


def photometric(images: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation in an order of each image's own, each by up to 0.4 (IDC's
    evaluation on ImageNet).

    An image is mixed with black, with its mean grey (of the whole image: IDC crops first), or with its grey version, by
    a share that may be negative.
    """
    count, device = len(images), generator.device
    # [B, 3]: which comes first, second, third
    order = torch.rand(count, 3, generator=generator, device=device).argsort(1)
    share = (2 * torch.rand(count, 3, generator=generator, device=device) - 1).to(images.dtype) * JITTER
    for place in range(3):
        at, plain = share[:, place].view(-1, 1, 1, 1), grey(images)
        # [3, B, ...]
        others = torch.stack(
            [torch.zeros_like(images), plain.mean((2, 3), keepdim=True).expand_as(images), plain.expand_as(images)]
        )
        images = torch.lerp(images, others[order[:, place], torch.arange(count, device=device)], at)
    return images


def lighting(images: Tensor, generator: torch.Generator) -> Tensor:
    """Noise along the principal components of ImageNet's colours (Krizhevsky et al. 2012), of
    deviation 0.1, one an image."""
    if images.shape[1] != 3:
        raise UserError(f"augment: lighting: found images of {images.shape[1]} channels, expected three; leave it out")
    alpha = 0.1 * torch.randn(len(images), 3, generator=generator, device=generator.device).to(images.dtype)
    scaled = [alpha[:, j] * value for j, value in enumerate(EIGENVALUES)]
    colour = [sum(row[j] * scaled[j] for j in range(3)) for row in EIGENVECTORS]  # three times [B]
    return images + torch.stack(colour, 1).view(-1, 3, 1, 1)  # type: ignore[arg-type]


ON_PIXELS = {"photometric": photometric, "lighting": lighting}


def pick(draws: Draws, index: int) -> Draws:
    """The draw of one group alone, to be shared by all images it is applied to."""
    return {name: values[index : index + 1] for name, values in draws.items()}


def color(images: Tensor, u: Tensor) -> Tensor:
    """Brightness, saturation and contrast, in this order. u: [n or 1, 3] uniform in [0, 1)."""
    brightness, saturation, contrast = (u[:, i].view(-1, 1, 1, 1) for i in range(3))
    images = images + (brightness - 0.5) * BRIGHTNESS
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (saturation * SATURATION) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + CONTRAST) + mean


def resample(images: Tensor, theta: Tensor) -> Tensor:
    """The images seen through affine maps [n or 1, 3, 3], bilinear, 0 outside."""
    grid = F.affine_grid(theta[:, :2].expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def cutout(images: Tensor, corner: Tensor) -> Tensor:
    """A square of half the side set to 0, its top left corner given (it may lie outside). corner: [n or 1, 2]."""
    side = images.shape[-1]
    size = int(side * CUTOUT + 0.5)
    place = torch.arange(side, device=images.device)
    inside = (place >= corner.unsqueeze(2)) & (place < corner.unsqueeze(2) + size)  # [n, 2, H]
    return images * ~(inside[:, 0].unsqueeze(2) & inside[:, 1].unsqueeze(1)).unsqueeze(1)


def apply(images: Tensor, draws: Draws) -> Tensor:
    """Augment normalised images [B, K, H, W] by the draws of `draw` (n = B, or 1 shared by all):
    colour, geometry, cutout."""
    if "color" in draws:
        images = color(images, draws["color"])
    if "affine" in draws:
        images = resample(images, draws["affine"])
    if "cutout" in draws:
        images = cutout(images, draws["cutout"])
    return images


def augment(images: Tensor, ops: Sequence[str], generator: torch.Generator, shared: bool = False) -> Tensor:
    """Augment normalised images, with one draw an image, or one for all of them (shared)."""
    return apply(images, draw(ops, 1 if shared else len(images), images.shape[-1], generator, images.dtype))


def cutmix_draw(n: int, side: int, beta: float, p: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Random numbers of CutMix for a batch of n images: a box [H, W] (empty with probability 1 - p), the image that
    each one's box comes from [n], and the share [] of an image that is its own, in float64."""
    device = generator.device
    shape = torch.full((2,), beta, device=device, dtype=torch.float64)
    gamma = torch._standard_gamma(shape, generator=generator)  # type: ignore[attr-defined]  # Beta(b, b) = G1 / (G1 + G2); the public sampler takes no generator
    share = gamma[0] / gamma.sum()
    coin, *centre = torch.rand(3, generator=generator, device=device, dtype=torch.float64)
    half = (side * (1 - share).sqrt() / 2).floor() * (coin < p)
    place = torch.arange(side, device=device)
    spans = [(place >= (c * side).floor() - half) & (place < (c * side).floor() + half) for c in centre]
    box = spans[0].unsqueeze(1) & spans[1].unsqueeze(0)  # [H, W]
    order = torch.randperm(n, generator=generator, device=device)
    return box, order, 1 - box.double().mean()


def cutmix_apply(
    images: Tensor, labels: Tensor, box: Tensor, order: Tensor, share: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The images [B, K, H, W] with their boxes, their labels [B], the labels of the boxes [B], and the
    share [] in the images' type."""
    return torch.where(box, images[order], images), labels, labels[order], share.to(images.dtype)


def cutmix(
    images: Tensor, labels: Tensor, beta: float, p: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """CutMix (Yun et al. 2019): with probability p, a box of every image comes from another one of the batch.

    Returns the images, their labels, the labels of the boxes, and the share [scalar] of each image that is its own: the
    loss is share * loss(labels) + (1 - share) * loss(box labels).
    """
    return cutmix_apply(images, labels, *cutmix_draw(len(images), images.shape[-1], beta, p, generator))
