"""Networks: sizes against the published implementations, shapes at every side, initialisation from the generator
alone."""

import math

import pytest
import torch
from torch import nn

from udd.errors import UserError
from udd.networks.architectures import ARCHITECTURES, Network, build

# Parameters of the DC/DSA and IDC implementations at (architecture, channels, side), 10 and 100 classes.
PUBLISHED = {
    ("convnet3", 3, 32): (320010, 504420),
    ("convnet3", 1, 28): (317706, 502116),
    ("alexnet", 3, 32): (1872202, 2148772),
    ("alexnet", 1, 28): (1865802, 2142372),
    ("vgg11", 3, 32): (9231114, 9277284),
    ("vgg11", 1, 28): (9229962, 9276132),
    ("resnet18", 3, 32): (11173962, 11220132),
    ("resnet18", 1, 28): (11172810, 11218980),
    ("resnetap10", 3, 224): (4910922, 4957092),
    ("resnetap10", 1, 224): (4904650, 4950820),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(architecture: str, channels: int = 3, side: int = 32, seed: int = 0) -> Network:
    return build(architecture, channels, side, 5, 8, generator(seed))


@pytest.mark.parametrize("key", PUBLISHED, ids=str)
def test_parameter_counts_are_the_published_ones(key):
    for classes, expected in zip((10, 100), PUBLISHED[key], strict=True):
        architecture, channels, side = key
        network = build(architecture, channels, side, classes, 128, generator())
        assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_forward_is_the_classifier_on_the_embedding(architecture, channels):
    for side in (2, 3, 7, 8, 16, 28, 32, 64):
        network = small(architecture, channels, side)
        x = torch.randn(3, channels, side, side, generator=generator())
        maps, embedding = network.features(x)
        assert maps.ndim == 4 and maps.shape[0] == 3 and (maps >= 0).all()
        assert embedding.shape == (3, network.classifier.in_features)
        assert torch.equal(network(x), network.classifier(embedding))
        assert (embedding[0] - embedding[1]).abs().max() > 1e-5, f"blind to its input at side {side}"


def test_sides_of_maps_at_published_sizes():
    sides = {"convnet3": [32, 16, 8], "alexnet": [32, 16, 8, 8, 8], "vgg11": [32, 16, 8, 8, 4, 4, 2, 2]}
    for architecture, expected in sides.items():
        for channels, side in ((1, 28), (3, 28), (3, 32)):
            x = torch.zeros(2, channels, side, side)
            network = small(architecture, channels, side)
            assert [network.features(x, layer)[0].shape[-1] for layer in range(len(network.blocks))] == expected
    assert small("resnet18").features(torch.zeros(2, 3, 32, 32))[0].shape[-1] == 4
    assert small("convnet3").classifier.in_features == 8 * 4 * 4


def test_stem_of_resnetap10_follows_the_side():
    for side, kernel, last in ((224, 7, 7), (112, 3, 7), (64, 3, 8)):
        network = small("resnetap10", 3, side)
        stem = next(iter(network.blocks[0].children()))
        assert isinstance(stem, nn.Conv2d) and stem.kernel_size == (kernel, kernel)
        assert network.features(torch.zeros(2, 3, side, side))[0].shape[-1] == last


def test_convnet_against_the_formula():
    network = small("convnet3", 1, 8).double()
    x = torch.randn(2, 1, 8, 8, generator=generator(), dtype=torch.float64)
    value = x
    for number, block in enumerate(network.blocks):
        convolution, group = [layer for layer in block.children() if isinstance(layer, nn.Conv2d | nn.GroupNorm)]
        if number:
            value = value.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
        value = nn.functional.conv2d(value, convolution.weight, convolution.bias, padding=1)
        centred = value - value.mean((2, 3), keepdim=True)
        value = centred / ((centred**2).mean((2, 3), keepdim=True) + group.eps).sqrt()  # pyright: ignore[reportOperatorIssue]
        value = value.clamp(min=0)
    torch.testing.assert_close(network.features(x)[0], value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_initialisation_comes_from_the_generator_alone(architecture):
    state = torch.get_rng_state()
    first, again, other = small(architecture), small(architecture), small(architecture, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not any(torch.equal(a, c) for a, _, c in pairs if a.unique().numel() > 1)


def test_initialisation_follows_torchs_laws():
    network = build("convnet3", 3, 32, 10, 128, generator())
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for values in module.parameters():
                assert values.abs().max() <= bound
            assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert module.bias is not None and module.bias.std() > 0.3 * bound
        if isinstance(module, nn.GroupNorm):
            assert (module.weight == 1).all() and (module.bias == 0).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matching_can_differentiate_twice(architecture):
    network = small(architecture, 1, 16).double()
    assert not list(network.buffers())
    assert not any(getattr(module, "inplace", False) for module in network.modules())
    x = torch.rand(2, 1, 16, 16, generator=generator(), dtype=torch.float64, requires_grad=True)
    weights = [parameter for parameter in network.parameters() if parameter.ndim == 4]

    def matching(x):
        loss = nn.functional.cross_entropy(network(x), torch.tensor([0, 3]))
        return torch.stack(
            [(gradient**2).sum() for gradient in torch.autograd.grad(loss, weights, create_graph=True)]
        ).sum()

    (slope,) = torch.autograd.grad(matching(x), x)
    direction = torch.randn(x.shape, generator=generator(1), dtype=torch.float64)
    step = 1e-6
    numeric = (matching(x + step * direction) - matching(x - step * direction)) / (2 * step)
    assert (slope * direction).sum().item() == pytest.approx(numeric.item(), rel=1e-3)


def test_torch_func_sees_the_same_network():
    network = small("convnet3")
    x = torch.randn(2, 3, 32, 32, generator=generator())
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    torch.testing.assert_close(torch.func.functional_call(network, parameters, (x,)), network(x))


def test_bad_requests_are_one_line():
    for arguments in (("convnet4", 3, 32, 10, 128), ("convnet3", 3, 1, 10, 128), ("convnet3", 3, 32, 0, 128)):
        with pytest.raises(UserError, match="expected"):
            build(*arguments, generator())
