"""What memory a distillation is said to take, and what it does where there is less."""

from pathlib import Path

import pytest
import torch
from tiny import config, dataset

from udd.costs.memory import followed, peak, taken
from udd.costs.steps import Model, Step
from udd.runs import loop, memory

CPU = torch.device("cpu")
STEP = Step("synthetic", Model("convnet3", 8, 3, 16, 10), 32)


@pytest.mark.parametrize("architecture", ["convnet3", "resnetap10", "resnet18"])
def test_a_step_stays_below_its_bound(architecture):
    step = STEP._replace(model=STEP.model._replace(architecture=architecture))
    assert 0 < peak(step) < memory.bound(step.model, step.images)


@pytest.mark.parametrize("kind", ["real", "synthetic"])
def test_what_is_foretold_is_what_the_tensors_take(kind):
    step = STEP._replace(kind=kind)
    assert peak(step) == pytest.approx(followed(step, fake=False), rel=0.2)


def test_as_many_images_go_at_once_as_fit():
    needed = taken(STEP, CPU)
    assert memory.fitting(STEP, int(needed / memory.USED) + 1, CPU) == 32
    assert memory.fitting(STEP, int(needed / memory.USED) - 1, CPU) == 16
    assert memory.fitting(STEP, needed // 4, CPU) in (4, 8)
    assert memory.fitting(STEP, 0, CPU) == 1


def test_a_compiled_step_takes_less_than_one_that_is_not_and_a_cpu_more_than_what_lives():
    compiled = STEP._replace(compiled=True)
    assert taken(compiled, CPU) < peak(STEP) == taken(STEP, torch.device("cuda")) < taken(STEP, CPU)


def test_a_group_grants_what_the_tightest_limit_leaves(tmp_path: Path):
    (tmp_path / "queue/job").mkdir(parents=True)
    for folder, limit, used in [("queue", "1000", "700"), ("queue/job", "max", "10")]:
        (tmp_path / folder / "memory.max").write_text(f"{limit}\n")
        (tmp_path / folder / "memory.current").write_text(f"{used}\n")
    assert memory.granted(tmp_path / "queue/job") == [300]
    (tmp_path / "queue/memory.stat").write_text("anon 350\ninactive_file 200\nactive_file 50\nfile 300\n")
    assert memory.granted(tmp_path / "queue/job") == [550]
    assert memory.granted(tmp_path / "elsewhere") == []


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="not Linux")
def test_the_free_memory_is_part_of_all():
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < (memory.free_bytes(CPU) or 0) < total


def test_a_small_run_says_nothing():
    data = dataset()
    assert memory.chunk(config(), data) == (None, "")


def test_a_run_that_does_not_fit_goes_in_chunks_and_says_so(tmp_path, monkeypatch, capsys):
    data = dataset()
    monkeypatch.setattr(memory, "SMALL", 0)

    def first_step() -> torch.Tensor:
        run = loop.Distillation(config(ipc=3, matched="all"), data, tmp_path / "checkpoint", None, "")
        run.step(False)
        return run.state.images

    whole, said = first_step(), capsys.readouterr().err
    assert (
        said.startswith("memory: about ")
        and "GB beside the data; " in said
        and "GB are free" in said
        and "at a time" not in said
    )
    monkeypatch.setattr(memory, "free_bytes", lambda device: 0)
    chunked, said = first_step(), capsys.readouterr().err
    assert "a class's 27 training images go 1 at a time, twice, which may still be too much" in said
    start = loop.Distillation(config(ipc=3), data, tmp_path / "checkpoint", None, "").state.images
    assert not torch.equal(whole, start)
    torch.testing.assert_close(chunked - start, whole - start, rtol=0, atol=1e-3 * (whole - start).abs().max().item())
    monkeypatch.setattr(memory, "free_bytes", lambda device: None)
    capsys.readouterr()
    assert torch.equal(first_step(), whole) and "free" not in capsys.readouterr().err


def test_a_resumed_run_goes_on_as_it_began_whatever_is_free_by_then(tmp_path, monkeypatch):
    data, path = dataset(), tmp_path / "checkpoint"
    monkeypatch.setattr(memory, "SMALL", 0)
    made = config(ipc=3, matched="all")
    found = {}
    for free in (None, 0):
        for resumed in (None, 0, 10**12):
            monkeypatch.setattr(memory, "free_bytes", lambda device, free=free: free)
            run = loop.Distillation(made, data, path, None, "")
            run.step(False)
            run.keep()
            monkeypatch.setattr(memory, "free_bytes", lambda device, free=resumed: free)
            again = loop.Distillation(made, data, path, None, "")
            assert again.trajectory.execution.chunk == run.trajectory.execution.chunk == (1 if free == 0 else None)
            again.step(False)
            found[free, resumed] = again.state.images
            path.unlink()
    for free in (None, 0):
        assert torch.equal(found[free, None], found[free, 0]) and torch.equal(found[free, None], found[free, 10**12])
    assert not torch.equal(found[None, 0], found[0, 0])


@pytest.mark.parametrize(
    ("policy", "searched"), [("jitter", {"forward": 27}), ("gradient", {"forward": 27, "saliency": 9})]
)
def test_the_largest_step_of_each_kind_is_counted(policy, searched):
    found = {step.kind: step.images for step in memory.steps(config(ipc=3, policy=policy), dataset())}
    assert found == {"real": 5, "synthetic": 27, "train": 4} | searched
