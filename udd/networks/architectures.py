"""The five networks of Sec. 3.1 and Appendix D, for images of any side, with one or three channels.

ConvNet-3, VGG-11, AlexNet and ResNet-18 are those of the DC/DSA line of work, ResNetAP-10 is IDC's; all but AlexNet use
instance norm. At the published settings (width 128, 28 or 32 pixels; 224 for ResNetAP-10) the parameter counts are
theirs. Other sides follow one rule: a pool is left out where it would leave nothing, or one pixel for an instance norm,
which makes a constant of it.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from udd.errors import UserError


class Network(nn.Module):
    """Blocks, each ending in an activation; a pool, flattened into the embedding; a linear classifier. No buffers.

    grow: the pixels that its first convolution adds on each side; normal: whether convolutions start normally
    distributed, as IDC's do.
    """

    grow: int = 0
    normal: bool = False

    def __init__(self, blocks: list[nn.Module], pool: nn.Module, shape: tuple[int, int, int], classes: int):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.pool = pool
        with torch.no_grad():
            _, embedding = self.features(torch.zeros(2, *shape))
        self.classifier = nn.Linear(embedding.shape[1], classes)

    def features(self, x: torch.Tensor, layer: int = -1) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised images [B, K, H, W] -> (activations of block `layer`, before its pooling
        [B, D, h, w]; embedding [B, E])."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps[layer], self.pool(x).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised images [B, K, H, W] -> logits [B, C]."""
        return self.classifier(self.features(x)[1])


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; `step` 2 halves the side, by strides
    (ResNet-18) or by averages (ResNetAP)."""

    def __init__(self, inputs: int, outputs: int, step: int, averages: bool):
        super().__init__()
        stride = 1 if averages else step
        halving = [nn.AvgPool2d(step)] if averages and step > 1 else []
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), norm(outputs), nn.ReLU(), *halving,
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), norm(outputs),
        )  # fmt: skip
        same = inputs == outputs and step == 1
        projection = [] if same else [nn.Conv2d(inputs, outputs, 1, stride, bias=False), *halving, norm(outputs)]
        self.shortcut = nn.Sequential(*projection)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class Average(nn.Module):
    """The mean over the whole map: [B, D, h, w] -> [B, D]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def images_at_once(side: int) -> int:
    """How many images of a side a search passes forward at once: 512 of 32 pixels. The same on all devices:
    the bits may depend on it."""
    return max(1, 2**19 // side**2)


def norm(width: int) -> nn.GroupNorm:
    """Instance norm: each channel of each image by itself, with a learnt scale and shift."""
    return nn.GroupNorm(width, width)


def fits(side: int, size: int = 2) -> bool:
    """Whether a pool of `size` leaves the next instance norm more than one pixel to work on."""
    return side >= 2 * size


def last_pool(kind: type[nn.Module], side: int) -> nn.Module:
    """The pool before the classifier, where one pixel may remain."""
    return kind(2) if side >= 2 else nn.Identity()


def growth(side: int) -> int:
    """Extra padding of a first convolution: 28 pixels grow to 32, so that they can be halved as often (DC's choice)."""
    return 2 if side == 28 else 0


def convnet3(channels: int, side: int, width: int) -> tuple[list[nn.Module], nn.Module]:
    """Three times: 3x3 convolution, instance norm, ReLU, average of 2x2 (at 28 and 32 pixels, maps of 32, 16 and 8)."""
    grow, inputs, pool, blocks = growth(side), channels, [], []
    side += 2 * grow
    for depth in range(3):
        convolution = nn.Conv2d(inputs, width, 3, padding=1 + grow if depth == 0 else 1)
        blocks.append(nn.Sequential(*pool, convolution, norm(width), nn.ReLU()))
        pool = [nn.AvgPool2d(2)] if fits(side) and depth < 2 else []
        inputs, side = width, side // 2 if pool else side
    return blocks, last_pool(nn.AvgPool2d, side)


def vgg11(channels: int, side: int, width: int) -> tuple[list[nn.Module], nn.Module]:
    """VGG-11 with instance norm and one linear layer; largest of 2x2 between its five groups."""
    grow, inputs, pool, blocks = growth(side), channels, [], []
    side += 2 * grow
    groups = [[64], [128], [256, 256], [512, 512], [512, 512]]
    for number, group in enumerate(groups):
        for planes in group:
            outputs = scaled(planes, width)
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1 if blocks else 1 + grow)
            blocks.append(nn.Sequential(*pool, convolution, norm(outputs), nn.ReLU()))
            inputs, pool = outputs, []
        if number < len(groups) - 1 and fits(side):
            pool, side = [nn.MaxPool2d(2)], side // 2
    return blocks, last_pool(nn.MaxPool2d, side)


def alexnet(channels: int, side: int, width: int) -> tuple[list[nn.Module], nn.Module]:
    """DC's AlexNet: five convolutions, the first two of 5x5, without a norm."""
    grow, inputs, pool, blocks = growth(side), channels, [], []
    side += 2 * grow
    for depth, (planes, kernel) in enumerate([(128, 5), (192, 5), (256, 3), (192, 3), (192, 3)]):
        outputs = scaled(planes, width)
        padding = kernel // 2 + (grow if depth == 0 else 0)
        blocks.append(nn.Sequential(*pool, nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.ReLU()))
        pool = [nn.MaxPool2d(2)] if depth < 2 and side >= 2 else []
        inputs, side = outputs, side // 2 if pool else side
    return blocks, last_pool(nn.MaxPool2d, side)


def resnet18(channels: int, side: int, width: int) -> tuple[list[nn.Module], nn.Module]:
    """ResNet-18 for small images: a 3x3 stem, four stages of two blocks, halving by strides."""
    stem = nn.Sequential(
        nn.Conv2d(channels, scaled(64, width), 3, padding=1, bias=False), norm(scaled(64, width)), nn.ReLU()
    )
    return [stem, *stages(side, width, depth=2, averages=False)], Average()


def resnetap10(channels: int, side: int, width: int) -> tuple[list[nn.Module], nn.Module]:
    """IDC's ResNetAP-10: stages of one block, averages for strides. The stem averages by 4 above
    128 pixels, by 2 above 64."""
    kernel, size = (7, 4) if side > 128 else (3, 2) if side > 64 else (3, 1)
    outputs = scaled(64, width)
    stem = nn.Sequential(
        nn.Conv2d(channels, outputs, kernel, padding=kernel // 2, bias=False), norm(outputs), nn.ReLU()
    )
    first, *others = stages(side // size, width, depth=1, averages=True)
    return [stem, nn.Sequential(nn.AvgPool2d(size), first), *others], Average()


def stages(side: int, width: int, depth: int, averages: bool) -> list[nn.Module]:
    """Four stages of `depth` residual blocks; all but the first halve the side and double the channels."""
    inputs, blocks = scaled(64, width), []
    for planes in (64, 128, 256, 512):
        outputs = scaled(planes, width)
        step = 2 if planes > 64 and fits(side) else 1
        side = math.ceil(side / step) if not averages else side // step
        layers = [Residual(inputs, outputs, step, averages)] + [
            Residual(outputs, outputs, 1, averages) for _ in range(depth - 1)
        ]
        blocks += layers
        inputs = outputs
    return blocks


def scaled(planes: int, width: int) -> int:
    """The published number of channels at width 128, and in proportion at others."""
    return max(1, planes * width // 128)


BUILDERS = {"convnet3": convnet3, "resnet18": resnet18, "vgg11": vgg11, "alexnet": alexnet, "resnetap10": resnetap10}
ARCHITECTURES = tuple(BUILDERS)
GROWING = ("convnet3", "vgg11", "alexnet")  # those whose first convolution pads 28 pixels to 32


def build(architecture: str, channels: int, side: int, classes: int, width: int, generator: torch.Generator) -> Network:
    """A new network on the generator's device; `width` 128 is the published size, others scale every layer.

    Raises UserError for an unknown architecture or a size that is too small.
    """
    if architecture not in BUILDERS:
        raise UserError(f"architecture {architecture!r}: unknown; expected one of {', '.join(ARCHITECTURES)}")
    if channels < 1 or side < 2 or classes < 1 or width < 1:
        found = f"{channels} channels, side {side}, {classes} classes, width {width}"
        raise UserError(f"{architecture}: {found}; expected a side of 2 or more, and 1 or more of the others")
    # torch's global generator stays untouched; its device "meta" would import a compiler, for a second
    with torch.random.fork_rng(devices=[]):
        network = Network(*BUILDERS[architecture](channels, side, width), (channels, side, side), classes)
    network.grow = growth(side) if architecture in GROWING else 0
    network.normal = architecture == "resnetap10"
    network.to(generator.device)
    initialise(network, generator)
    return network


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw parameters in place by torch's default laws: weights and biases uniform within
    1/sqrt(fan-in), norms the identity.

    IDC's ResNetAP-10 (`normal`) has convolutions from N(0, sqrt(2 / (k^2 out))) instead.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and getattr(network, "normal", False):
            module.weight.normal_(
                0, math.sqrt(2 / (module.weight[0, 0].numel() * len(module.weight))), generator=generator
            )
        elif isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())  # kaiming_uniform_ with a = sqrt(5) comes to the same
            for parameter in module.parameters(recurse=False):
                parameter.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.GroupNorm):
            module.weight.fill_(1)
            module.bias.fill_(0)
