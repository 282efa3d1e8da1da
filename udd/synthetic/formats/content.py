"""What any file of a synthetic set holds, and the checks that it is what it was said to be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from udd.errors import UserError

# How far pixels may lie outside [0, 1]: DM's own code leaves them 1 beyond in 200 iterations
# (docs/formats.md), normalisation more
OUTSIDE = 2.0
SPREAD = (0.4, 2.5)  # how the pixels' standard deviation may lie to that of the data, and
SHIFT = 0.2  # their mean
UNEVEN = 0.1  # how far from 1 probabilities may come to, cut to few digits; logits above 0 do not so in every row


class Whitening(NamedTuple):
    """A ZCA's statistics: of an image's D = K H W pixels the mean [D], and the inverse [D, D] of the whitening."""

    mean: Tensor
    inverse: Tensor


Normalisation = Whitening | tuple[list[float], list[float]]  # or the channels' means and standard deviations


class Wanted(NamedTuple):
    """The data set that a file should be of: name, classes, shape [K, H, W], its channels' mean and standard
    deviation in [0, 1]; and what is said of the file: the grid factor of its images (IDC), and how they were
    normalised (None: not said)."""

    dataset: str
    classes: list[str]
    shape: tuple[int, ...]
    mean: list[float]
    std: list[float]
    factor: int = 1
    normalised: Normalisation | None = None


class Found(NamedTuple):
    """Images in [0, 1] float32 [n, K, H, W], labels int64 [n] or soft float32 [n, C], and a learned
    rate where there is one."""

    images: Tensor
    labels: Tensor
    rate: float | None = None


def hard(path: Path, found: Found) -> Tensor:
    """Labels [n]. Raises UserError if they are soft."""
    if found.labels.ndim > 1:
        raise UserError(f"{path}: such a file holds hard labels, these are soft; export to mtt or frepo")
    return found.labels


def say(line: str) -> None:
    """What the user should know, beside the result."""
    print(line, file=sys.stderr)


def only_numbers(classes: Sequence[str]) -> bool:
    """Whether a data set's classes have no names but numbers, as an npz's have."""
    return all(name.isdecimal() for name in classes)


def say_taken(path: Path, names: Sequence[str], wanted: Wanted) -> None:
    """Say in which order the names that a file has stand for the numbers that its data set's classes are called by."""
    order = ", ".join(f"{name} is {label}" for label, name in zip(wanted.classes, names[:3], strict=False))
    say(
        f"{path}: {wanted.dataset} has no names of classes; they are taken in order: {order}, ...; a manifest of "
        "udd data would name them"
    )


def say_order(path: Path, classes: Sequence[str]) -> None:
    """Say which class a label is where classes are called by numbers that are not in their order: folders sort as
    text."""
    if not only_numbers(classes):
        return
    pairs = enumerate(zip(classes, sorted(classes, key=int), strict=True))
    if moved := next(((label, here) for label, (here, ordered) in pairs if here != ordered), None):
        say(f"{path}: its label {moved[0]} is taken for class '{moved[1]}', as classes are in the order of text")


def unnormalised(images: Tensor, by: Normalisation) -> Tensor:
    """Pixels in [0, 1] of normalised images [n, K, H, W]: x std + mean by channel, or x inverse + mean of a
    whitening."""
    if isinstance(by, Whitening):
        return (images.float().flatten(1) @ by.inverse + by.mean).view(images.shape)
    mean, std = (torch.tensor(each).view(-1, 1, 1) for each in by)
    return images.float() * std + mean


def normalised(images: Tensor, by: Normalisation) -> Tensor:
    """The inverse."""
    if isinstance(by, Whitening):
        return torch.linalg.solve(by.inverse, images.flatten(1) - by.mean, left=False).view(images.shape)
    mean, std = (torch.tensor(each).view(-1, 1, 1) for each in by)
    return (images - mean) / std


def as_images(path: Path, images: object, wanted: Wanted) -> Tensor:
    """Images as float32 [n, K, H, W]; whole numbers are bytes. Raises UserError for another type or shape,
    and for what is no number."""
    if not is_dense(images) or images.is_complex() or images.ndim != 4 or not len(images):
        raise UserError(f"{path}: images are {kind(images)}, expected a tensor [n, K, H, W]")
    if tuple(images.shape[1:]) != tuple(wanted.shape):
        last = tuple(images.movedim(-1, 1).shape[1:]) == tuple(wanted.shape)
        advice = "its channels are last: save it with .movedim(-1, 1)" if last else "name its data set"
        raise UserError(
            f"{path}: images are {list(images.shape[1:])} [K, H, W], those of {wanted.dataset} {list(wanted.shape)}; "
            f"{advice}"
        )
    if not images.is_floating_point():
        return images.float() / 255
    if not images.isfinite().all():
        raise UserError(
            f"{path}: {int((~images.isfinite()).sum())} pixels are not finite; the run that made it diverged"
        )
    return images.detach().float()


def is_dense(value: object) -> TypeGuard[Tensor]:
    """Whether a value is a tensor as most are: neither sparse nor quantised."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized


def kind(value: object) -> str:
    """What a value is, in words."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    layout = "" if value.layout == torch.strided else "sparse "
    return f"a {layout}tensor of {value.dtype}, shape {list(value.shape)}"


def fitting(path: Path, images: Tensor, wanted: Wanted, anyway: bool = False) -> Tensor:
    """The pixels as they are: networks of their authors saw those outside [0, 1], too. Raises UserError if they lie too
    far outside, or if their channels are not like the data's: then they are in another convention than was said
    (anyway: take them all the same)."""
    low, high = images.min().item(), images.max().item()
    if not anyway:
        if max(-low, high - 1) > OUTSIDE:
            raise UserError(
                f"{path}: pixels run from {low:.2f} to {high:.2f}, expected 0 to 1: it is normalised otherwise; see "
                "--as and --normalised"
            )
        check_channels(path, images, wanted)
    if max(-low, high - 1) > 1e-5:  # more than undoing a normalisation rounds
        outside = ((images < 0) | (images > 1)).float().mean().item()
        say(
            f"{path}: {100 * outside:.2g} % of the pixels lie outside [0, 1] ({low:.3f} to {high:.3f}); networks see "
            "them as they are"
        )
    return images


def no_pixels(images: Tensor, anyway: bool = False) -> str:
    """What is wrong with a set's pixels, in words; empty if they are float32, finite and (but for `anyway`) near
    [0, 1]."""
    if images.dtype != torch.float32:
        return f"pixels are {images.dtype}, expected float32"
    if not images.isfinite().all():
        return f"{int((~images.isfinite()).sum())} pixels are not finite, expected numbers; make it again"
    if not anyway and (images.min() < -OUTSIDE or images.max() > 1 + OUTSIDE):
        return f"pixels run from {images.min():.3g} to {images.max():.3g}, expected 0 to 1; divide bytes by 255"
    return ""


def as_bytes(images: Tensor) -> Tensor:
    """Pixels rounded to 8 bits; those outside [0, 1] become black or white, and that is said."""
    outside = ((images < -1e-5) | (images > 1 + 1e-5)).float().mean().item()
    if outside:
        say(f"{100 * outside:.2g} % of the pixels lie outside [0, 1], which a byte cannot hold; they are clamped")
    return (images.clamp(0, 1) * 255).round().byte()


def check_channels(path: Path, images: Tensor, wanted: Wanted) -> None:
    """Raise UserError unless the channels' means and standard deviations are near the data set's."""
    mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3))
    shift, spread = (mean - torch.tensor(wanted.mean)).abs().max().item(), (std / torch.tensor(wanted.std))
    if shift > SHIFT or spread.min() < SPREAD[0] or spread.max() > SPREAD[1]:
        found = (
            f"channels of mean {numbers(mean)} and deviation {numbers(std)}, {wanted.dataset} has "
            f"{numbers(wanted.mean)} and {numbers(wanted.std)}"
        )
        raise UserError(
            f"{path}: {found}: was it normalised otherwise? see --as and --normalised; --anyway takes it as it is"
        )


def numbers(values: Tensor | list[float]) -> str:
    """A few numbers in words."""
    return " ".join(f"{value:.2f}" for value in values)


def as_labels(path: Path, labels: object, count: int, wanted: Wanted) -> Tensor:
    """Labels int64 [n], or soft ones float32 [n, C]: probabilities, or logits, of which the softmax is taken.
    Raises UserError otherwise."""
    classes = len(wanted.classes)
    if not is_dense(labels):
        raise UserError(f"{path}: labels are {kind(labels)}, expected a tensor [n] or [n, C]")
    held = len(labels) if labels.ndim else "no"
    if held != count:
        raise UserError(f"{path}: found {held} labels for {count} images")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] == classes and not labels.is_complex():
        if one_hot(labels):
            return labels.long().argmax(1)
        if labels.is_floating_point():
            return soft(path, labels.detach().float())
    if labels.is_complex() or not labels.isfinite().all():
        raise UserError(f"{path}: labels are {kind(labels)}, some of which are no finite numbers")
    if labels.ndim != 1 or labels.is_floating_point() and not torch.equal(labels, labels.round()):
        raise UserError(
            f"{path}: labels are {labels.dtype} {list(labels.shape)}, expected whole numbers [{count}], or one-hot or "
            f"soft ones [{count}, {classes}]"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(
            f"{path}: labels run from {int(labels.min())} to {int(labels.max())}, {wanted.dataset} has 0 to "
            f"{classes - 1}"
        )
    return labels.long()


def one_hot(labels: Tensor) -> bool:
    """Whether each row of labels [n, C] is 0 but for one 1."""
    return bool(((labels == 0) | (labels == 1)).all() and (labels.long().sum(1) == 1).all())


def soft(path: Path, labels: Tensor) -> Tensor:
    """Probabilities [n, C]. Raises UserError for what is no number."""
    if not labels.isfinite().all():
        raise UserError(f"{path}: labels that are not finite")
    sums = labels.sum(1)
    off, alike = (sums - 1).abs().max().item(), (sums.max() - sums.min()).item() < 1e-3 * abs(sums[0].item())
    if labels.min() >= 0 and (off < UNEVEN or alike and len(labels) > 1):  # of percentages all come to 100
        if off > 1e-3:
            say(f"{path}: labels are shares that come to {sums.min():.3f} to {sums.max():.3f}; scaled to 1")
        return labels / sums[:, None]
    say(f"{path}: labels are logits; their softmax is taken")
    return labels.softmax(1)
