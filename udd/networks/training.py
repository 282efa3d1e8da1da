"""Training one network on images and labels that lie on its device; its accuracy (Sec. 3.1, Eq. 6).

A recipe is a mapping with the keys epochs, batch, lr, momentum, weight_decay and, if wanted, those of `PLAIN`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from udd.errors import UserError
from udd.networks.augment import as_float, augment, cutmix, normalise, on_pixels
from udd.networks.precision import Precision, rounded
from udd.networks.replay import called, player

# What a recipe may leave out: no decay, no augmentation, no CutMix.
PLAIN: dict[str, Any] = {"decay_at": [], "decay": 1.0, "augment": [], "cutmix_beta": 1.0, "cutmix_p": 0.0}

Channels = Sequence[float] | Tensor  # one number a channel


class SGD:
    """torch.optim.SGD's rule, with its `param_groups` and `state`, to the bit; torch's own imports its compiler,
    which takes a second a job.

    v <- momentum v + g + weight_decay w; w <- w - lr v.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float, weight_decay: float):
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        ]
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    def touched(self) -> list[Tensor]:
        """What a step changes in place: the parameters and their momentum, which is made (zero, as good as none)
        where there is none yet."""
        weights = self.param_groups[0]["params"]
        return [
            *weights,
            *(self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight)) for weight in weights),
        ]

    @torch.no_grad()
    def step(self, gradients: Iterable[Tensor]) -> None:
        """One step on every parameter, given their gradients."""
        group = self.param_groups[0]
        for weight, found in zip(group["params"], gradients, strict=True):
            gradient, kept = found.add(weight, alpha=group["weight_decay"]), self.state[weight]
            velocity = kept["momentum_buffer"].mul_(group["momentum"]).add_(gradient) if kept else gradient
            kept["momentum_buffer"] = velocity
            weight.sub_(velocity, alpha=group["lr"])


def sgd(network: torch.nn.Module, recipe: Mapping[str, Any]) -> SGD:
    """Stochastic gradient descent over all of the network's parameters."""
    return SGD(network.parameters(), recipe["lr"], recipe["momentum"], recipe["weight_decay"])


def batch_loss(
    network: torch.nn.Module, inputs: Tensor, first: Tensor, second: Tensor, share: Tensor, precision: Precision = None
) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy on normalised images [B, K, H, W] with two labels each [B], of which the first
    has `share` [] (CutMix).

    Returns the loss [] and the logits [B, C], in the images' type.
    """
    with rounded(inputs, precision):
        logits = network(inputs).to(inputs.dtype)
    return share * F.cross_entropy(logits, first) + (1 - share) * F.cross_entropy(logits, second), logits


def sgd_step(
    network: torch.nn.Module,
    optimizer: SGD,
    images: Tensor,
    labels: Tensor,
    recipe: Mapping[str, Any],
    mean: Channels,
    std: Channels,
    generator: torch.Generator,
    loss_of: Callable[..., Any] = batch_loss,
) -> tuple[Tensor, Tensor]:
    """One step on a batch [B, K, H, W] (bytes, or floats in [0, 1]): normalise, augment each image by
    itself, CutMix, descend.

    Of the recipe it reads augment, cutmix_beta and cutmix_p. Returns the loss [] and the logits [B, C] before the step,
    without a graph; they stay on the device.
    """
    pixels = on_pixels(as_float(images), recipe["augment"], generator)
    inputs = augment(normalise(pixels, mean, std), recipe["augment"], generator, shared=False)
    inputs, first, second, share = cutmix(inputs, labels, recipe["cutmix_beta"], recipe["cutmix_p"], generator)
    loss, logits = loss_of(network, inputs, first, second, share)
    optimizer.step(torch.autograd.grad(loss, optimizer.param_groups[0]["params"]))
    return loss.detach(), logits.detach()


def step_player(optimizer: SGD, generator: torch.Generator) -> Callable[..., Any]:
    """What calls `sgd_step` with this optimiser, at its rate, and this generator (udd.networks.replay)."""
    touched = [] if generator.device.type == "cpu" else optimizer.touched()
    return player(generator.device, touched, [generator])


def learning_rate(recipe: Mapping[str, Any], epoch: int) -> float:
    """The rate of an epoch, counted from 0: lr, times `decay` once for each fraction in
    `decay_at` whose epoch has come."""
    passed = sum(epoch >= round(fraction * recipe["epochs"]) for fraction in recipe["decay_at"])
    return recipe["lr"] * recipe["decay"] ** passed


def batches(count: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """One epoch: the indices 0..count-1, shuffled, in as few batches of at most `size` as hold them, whose
    sizes differ by one at most.

    Cut into full batches and a rest, 130 images would leave two for the third step: a whole step of
    noise (docs/evaluation.md).
    """
    return torch.randperm(count, generator=generator, device=generator.device).tensor_split(steps_an_epoch(count, size))


def steps_an_epoch(count: int, size: int) -> int:
    """The batches of at most `size` into which so many images are cut."""
    return -(-count // size)


def epochs(recipe: Mapping[str, Any], count: int, classes: int) -> int:
    """The epochs that a recipe trains on so many images of so many classes: the whole epochs nearest to its
    `steps` where it has them (at least one), else those of the first bound in `epochs_by_images` that the images
    a class do not exceed, else `epochs`."""
    if recipe.get("steps"):
        return max(1, round(recipe["steps"] / steps_an_epoch(count, recipe["batch"])))
    return next(
        (lasting for bound, lasting in recipe.get("epochs_by_images", []) if count <= bound * classes), recipe["epochs"]
    )


def train(
    network: torch.nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Mapping[str, Any],
    mean: Channels,
    std: Channels,
    generator: torch.Generator,
    after_epoch: Callable[[int], None] | None = None,
    after_step: Callable[[int, Tensor, Tensor], None] | None = None,
    views: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
) -> None:
    """Train `network` in place on images [n, K, H, W] (bytes, or floats in [0, 1]) and labels [n].

    All on the generator's device, from which every random number comes. `after_epoch(epochs done)` is called after each
    epoch, `after_step(epochs done, indices, logits)` after each step. `views(images, labels)` gives what an epoch
    trains on in their place (udd.evaluation.views). Raises UserError when an epoch's loss is not finite.
    """
    recipe = PLAIN | dict(recipe)
    mean, std = torch.as_tensor(mean, device=images.device), torch.as_tensor(std, device=images.device)
    optimizer = sgd(network, recipe)
    play, rate = called, math.nan
    for epoch in range(recipe["epochs"]):
        if rate != (rate := learning_rate(recipe, epoch)):  # a recording holds the rate
            optimizer.param_groups[0]["lr"], play = rate, step_player(optimizer, generator)
        total = torch.zeros((), device=images.device)
        seen, named = views(images, labels) if views else (images, labels)
        for index in batches(len(seen), recipe["batch"], generator):
            loss, logits = play(sgd_step, network, optimizer, seen[index], named[index], recipe, mean, std, generator)
            total += loss
            if after_step:
                after_step(epoch, index, logits)
        check_finite(total, epoch + 1, recipe)
        if after_epoch:
            after_epoch(epoch + 1)


def check_finite(total: Tensor, epoch: int, recipe: Mapping[str, Any]) -> None:
    """Raise UserError if the summed loss of an epoch is not a number: once an epoch,
    because asking waits for the device."""
    if not math.isfinite(total.item()):
        where = f"epoch {epoch} of {recipe['epochs']}, lr {recipe['lr']}"
        raise UserError(f"training: the loss is not finite ({where}), expected a number; lower lr or check the images")


def forward_batch(device: torch.device, side: int) -> int:
    """How many images of a side to pass forward at once: what a CPU's cache holds (more is up to twice slower); on a
    GPU what keeps it busy and takes no more memory than 1000 of 32 pixels."""
    return 50 if device.type == "cpu" else max(1, min(1000, 1000 * 32**2 // side**2))


@torch.inference_mode()
def accuracy(
    network: torch.nn.Module, images: Tensor, labels: Tensor, mean: Channels, std: Channels, batch: int = 0
) -> float:
    """The share of images [n, K, H, W] (bytes, or floats in [0, 1]) whose largest logit is their label's, in percent.

    `batch` images at once; 0 for what suits the device.
    """
    batch = batch or forward_batch(images.device, images.shape[-1])
    mean, std = torch.as_tensor(mean, device=images.device), torch.as_tensor(std, device=images.device)
    right = torch.zeros((), dtype=torch.int64, device=images.device)
    for part, truth in zip(images.split(batch), labels.split(batch), strict=True):
        right += (network(normalise(as_float(part), mean, std)).argmax(1) == truth).sum()
    return 100 * right.item() / len(images)
