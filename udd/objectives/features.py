"""First-order objectives: embeddings of synthetic and real images of a class are brought together, and synthetic ones
are to be classified rightly.

Pure functions of tensors, run as they are or compiled (udd.objectives.execution). No gradient of a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad

from udd.networks.precision import Precision, rounded
from udd.objectives.gradients import Embedding

Distance = Callable[..., Tensor]  # embeddings [n, Q, D], then what is known of each class's real ones [n, ...] -> [n]


def mean_distance(embeddings: Tensor, means: Tensor) -> Tensor:
    """The squared distance of mean embeddings (DM, Eq. 5; DANCE, Eq. 4). [n, Q, D], [n, D] -> [n]."""
    return (embeddings.mean(1) - means).square().sum(1)


def characteristic(embeddings: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the empirical characteristic function: the mean of exp(i <t, x>).
    [n, Q, D], [T, D] -> [n, T] twice."""
    phases = embeddings @ frequencies.T  # [n, Q, T]
    return phases.cos().mean(1), phases.sin().mean(1)


def characteristic_distance(embeddings: Tensor, real: Tensor, imaginary: Tensor, frequencies: Tensor) -> Tensor:
    """The distance of characteristic functions, amplitude and phase alike (NCFM, Eq. 9 with alpha
    1/2), of embeddings of length 1.

    real, imaginary: of the real images [n, T]; frequencies [n, T, D], the same for all. [n, Q, D] -> [n], the mean over
    frequencies, times the 300 of the authors' code. With alpha 1/2 the two terms under the root are half of |a - b|^2
    = (|a| - |b|)^2 + 2 (|a| |b| - Re a b*).
    """
    ours = characteristic(F.normalize(embeddings, dim=2), frequencies[0])
    squared = (ours[0] - real).square() + (ours[1] - imaginary).square()
    return 300 * (squared / 2 + 1e-12).sqrt().mean(1)


def image_gradient(
    network: Embedding,
    weights: dict[str, Tensor],
    inputs: Tensor,
    labels: Tensor,
    target: Sequence[Tensor],
    shares: tuple[Tensor, Tensor],
    distance: Distance,
    precision: Precision = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The gradient of shares[0] x distance + shares[1] x mean cross-entropy on augmented training images
    [n, Q, K, H, W] of n classes, and both [n].

    weights: by name and without a graph; labels [n]; target: what `distance` takes.
    """

    def total(inputs: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        count = inputs.shape[1]
        with rounded(inputs, precision):
            logits, embeddings = (
                each.to(inputs.dtype) for each in functional_call(network, weights, (inputs.flatten(0, 1),))
            )
        found = distance(embeddings.unflatten(0, (-1, count)), *target)
        entropy = (
            F.cross_entropy(logits, labels.repeat_interleave(count), reduction="none").unflatten(0, (-1, count)).mean(1)
        )
        return (shares[0] * found + shares[1] * entropy).sum(), (found, entropy)

    return grad(total, has_aux=True)(inputs)


def embedded(network: Embedding, weights: dict[str, Tensor], inputs: Tensor, precision: Precision = None) -> Tensor:
    """The embeddings of augmented images [n, Q, K, H, W]: [n, Q, D]."""
    with rounded(inputs, precision):
        return (
            functional_call(network, weights, (inputs.flatten(0, 1),))[1]
            .to(inputs.dtype)
            .unflatten(0, inputs.shape[:2])
        )
