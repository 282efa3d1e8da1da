"""Whether to compile, decided from work and device; the work of a network counted by hand."""

import shutil
import sysconfig

import pytest
import torch
from tiny import network, noise
from torch._inductor.cpp_builder import CppBuilder, CppTorchOptions
from torch.utils.flop_counter import FlopCounterMode

from udd.errors import UserError
from udd.networks.compilation import WORTH_COMPILING, compiled, forward_flop, pays, training_flop

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def without_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def with_everything(monkeypatch, tmp_path):
    """Every compiler, and Python's headers."""
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return tmp_path


@pytest.mark.parametrize("flop", [0.0, 1e13, 1e30])
@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_always_and_never_are_kept_to_whatever_the_work(flop, device, with_everything):
    assert pays("always", flop, device)
    assert not pays("never", flop, device)


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_by_itself_it_pays_from_some_amount_of_work_on(device, with_everything):
    first = WORTH_COMPILING[device.type]
    assert [pays("auto", share * first, device) for share in (0, 0.5, 0.999, 1, 1.5, 1e9)] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("compiler", ["c++", "g++", "clang++"])
def test_on_the_cpu_any_compiler_will_do(compiler, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == compiler else None)
    assert pays("auto", 1e30, CPU)


@pytest.mark.parametrize(("device", "variable"), [(CPU, "CXX"), (CUDA, "CC")], ids=str)
def test_without_a_compiler_it_never_pays_and_always_is_refused_in_one_line(device, variable, without_compiler):
    assert not pays("auto", 1e30, device) and not pays("never", 1e30, device)
    with pytest.raises(UserError, match=rf"compile: always: found no compiler \(.*{variable} names\); install it"):
        pays("always", 1e30, device)


def test_a_compiler_that_the_environment_names_will_do(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "/opt/c++15" else None)
    monkeypatch.setenv("CXX", "/opt/c++15")
    assert pays("auto", 1e30, CPU)


def test_a_gpu_also_needs_the_headers_of_python(with_everything):
    (with_everything / "Python.h").unlink()
    assert pays("auto", 1e30, CPU) and not pays("auto", 1e30, CUDA)
    with pytest.raises(UserError, match=r"found no Python's headers \(.*Python\.h\)"):
        pays("always", 1e30, CUDA)


def test_on_an_unknown_kind_of_device_it_never_pays():
    assert "mps" not in WORTH_COMPILING
    assert not pays("auto", 1e30, torch.device("mps"))


@pytest.mark.parametrize(
    ("channels", "side", "maps"), [(3, 32, (32, 16, 8)), (1, 28, (32, 16, 8)), (3, 8, (8, 4, 2)), (2, 2, (2, 2, 2))]
)
@pytest.mark.parametrize(("width", "classes"), [(4, 3), (5, 10)])
def test_a_convnet_does_three_convolutions_and_a_linear_layer(channels, side, maps, width, classes):
    expected = 0
    for inputs, size in zip((channels, width, width), maps, strict=True):
        expected += 2 * 9 * inputs * width * size**2
    expected += 2 * width * (maps[-1] // 2) ** 2 * classes
    model = network(channels, side, classes, width)
    assert forward_flop(model, noise(1, channels, side, side)) == expected
    assert forward_flop(model.float(), torch.zeros(1, channels, side, side, dtype=torch.uint8)) == expected


@pytest.mark.parametrize("name", ["convnet3", "resnet18", "vgg11", "alexnet", "resnetap10"])
def test_operations_are_those_that_torch_counts(name):
    model, image = network(3, 32, 5, 8, name), noise(1, 3, 32, 32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    assert forward_flop(model, image) == counter.get_total_flops()
    assert not any(module._forward_hooks for module in model.modules())


def test_training_goes_through_the_network_three_times_an_image():
    model, image = network(), noise(1, 3, 8, 8)
    assert training_flop(model, image, 1000) == 3000 * forward_flop(model, image)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses what torch deprecates
def test_each_shape_is_compiled_by_itself_however_many_there_are():
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    flat = compiled(lambda x: x.flatten())  # no arithmetic, so that no C++ is made
    for count in (*range(2, 14), *range(2, 14)):
        assert flat(torch.zeros(count, 2)).shape == (2 * count,)
    assert counters["stats"]["unique_graphs"] == 12
    torch._dynamo.reset()


def test_the_compiler_is_told_to_merge_no_values_into_vectors():
    for _ in range(2):
        compiled(torch.sin)
    command = CppBuilder(
        name="kernel", sources="kernel.cpp", BuildOption=CppTorchOptions(warning_all=False)
    ).get_command_line()
    assert command.split().count("-fno-tree-slp-vectorize") == 1 and "-ffp-contract=off" in command.split()
