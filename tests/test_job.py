"""Distillation as a job: resumed after any end with the same bits, and one line for whatever is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import write_npz
from tiny import ROOT, config

from udd import data, job, request, running, synthetic
from udd.cli import STOPPED, Stopped, UserError, main
from udd.files import lock

CONFIG = config()
LONG = config(outer=4, inner=8)  # long enough to be caught in its middle
Argv = Callable[..., list[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """The data set `tiny` (three classes of four images): manifest and root."""
    root = tmp_path_factory.mktemp("raw")
    write_npz(root / "tiny.npz")
    manifest = root / "tiny.json"
    data.run(["--config", json.dumps(CONFIG["dataset"]), "--root", str(root), "--out", str(manifest)])
    return manifest, root


@pytest.fixture(autouse=True)
def handlers():
    """Put signal handlers back as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def argv(made, tmp_path) -> Argv:
    """A command line for one or more configurations; outputs are OUT.safetensors and OUT.csv."""

    def compose(configs: Any = CONFIG, out: str = "set", *more: str) -> list[str]:
        count = len(configs) if isinstance(configs, list) else 1
        outs = [str(tmp_path / f"{out}{i or ''}.safetensors") for i in range(count)]
        files = ["--manifest", str(made[0]), "--root", str(made[1]), "--checkpoints", str(tmp_path / "checkpoints" / out)]
        return ["--config", json.dumps(configs), *files, "--out", *outs, "--device", "cpu", *more]

    return compose


def same_sets(folder: Path, one: str, two: str) -> None:
    """The two sets are the same bit for bit, and so are their curves up to the time that things took."""
    a, b = (synthetic.load(folder / f"{name}.safetensors") for name in (one, two))
    assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in synthetic.NAMES)
    assert a.metadata["config"] == b.metadata["config"]
    curves = [[line.split(",")[:7] for line in (folder / f"{name}.csv").read_text().splitlines()] for name in (one, two)]
    assert curves[0] == curves[1]


def in_order(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


# --- a run, and a run cut ---


def test_a_job_writes_set_and_curve_and_removes_its_checkpoint(argv, tmp_path, capsys):
    job.run(argv(CONFIG, "set", "--checkpoint-seconds", "0"))
    assert in_order(tmp_path) == ["checkpoints", "set.csv", "set.safetensors"]
    assert in_order(tmp_path / "checkpoints" / "set") == []
    lines = (tmp_path / "set.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,outer,loss,loss_gradient,loss_cfc,grad_norm_gradient,grad_norm_cfc,images_per_second,seconds")
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3", "4"]
    for line in lines[1:]:
        _, _, loss, gradient, cfc, *norms = map(float, line.split(","))
        assert loss == pytest.approx(gradient + cfc) and min(norms) > 0
    stored = synthetic.load(tmp_path / "set.safetensors")
    assert stored.metadata["config"] == CONFIG
    assert stored.metadata["provenance"].keys() == {"module", "code", "git", "versions", "device", "threads"}
    log = capsys.readouterr().err.splitlines()
    assert len(log) == 4 and all("images/s" in line and "to go" in line and "L_g" in line for line in log)


def test_a_run_stopped_after_every_step_ends_with_the_same_bits(argv, tmp_path):
    configs = [CONFIG, config(ipc=1, policy="vote", max_pairs=5)]
    job.run(argv(configs, "whole"))
    stops = 0
    for _ in range(4):
        try:
            job.run(argv(configs, "cut", "--time-limit", "0"))
        except Stopped as stopped:
            stops += 1
            assert f"stopped by time limit after {stops} of 4 iterations" in str(stopped)
    assert stops == 3
    same_sets(tmp_path, "whole", "cut")
    same_sets(tmp_path, "whole1", "cut1")


def test_sets_in_lockstep_are_those_of_jobs_of_their_own(argv, tmp_path):
    configs = [CONFIG, config(decode="grid", init="mix", cfc=False)]
    job.run(argv(configs, "both"))
    for config_, name in zip(configs, ("both", "both1"), strict=True):
        job.run(argv(config_, f"alone-{name}"))
        same_sets(tmp_path, f"alone-{name}", name)


def interrupted(arguments: list[str], folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own and send it a signal once its first checkpoint is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "udd.distill", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    until = time.monotonic() + 60
    while not list(folder.glob("*.safetensors")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, "", error)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, STOPPED), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_ended_by_a_signal_goes_on_to_the_same_bits(argv, tmp_path, capsys, number, code):
    folder = tmp_path / "checkpoints" / "cut"
    ended = interrupted(argv(LONG, "cut", "--checkpoint-seconds", "0"), folder, number)
    assert ended.returncode == code
    assert not (tmp_path / "cut.safetensors").exists()
    if number == signal.SIGTERM:
        assert "stopped by SIGTERM after " in ended.stderr.splitlines()[-1]
        assert "run the same command again to go on from" in ended.stderr.splitlines()[-1]
    job.run(argv(LONG, "cut"))
    assert "goes on from" in capsys.readouterr().err
    job.run(argv(LONG, "whole"))
    same_sets(tmp_path, "whole", "cut")


def test_a_checkpoint_is_of_one_configuration_and_one_code(argv, tmp_path, monkeypatch):
    one, other = config(), config(image_lr=0.01)
    names = {request.checkpoint_path(Path("folder"), [c]) for c in (one, other, config(ipc=1), config(seed=1))}
    assert len(names) == 4
    assert request.checkpoint_path(Path("folder"), [one]) == request.checkpoint_path(Path("folder"), [dict(reversed(one.items()))])
    monkeypatch.setattr("udd.shelf.code_digest", lambda module: "another")
    assert request.checkpoint_path(Path("folder"), [one]) not in names


def test_snapshots_are_the_sets_of_shorter_schedules(argv, tmp_path):
    job.run(argv(config(outer=3), "long", "--snapshots", "1", "2"))
    for outer in (1, 2):
        job.run(argv(config(outer=outer), "short"))
        early, short = (synthetic.load(tmp_path / f"{name}.safetensors") for name in (f"long-outer{outer}", "short"))
        assert torch.equal(early.images, short.images) and torch.equal(early.regions, short.regions)
        assert early.metadata["config"] == short.metadata["config"]


def test_images_a_step_counts_real_synthetic_and_training_ones(made):
    loaded = data.load(*made)
    configs = [config(), config(decode="grid"), config(policy="all", max_pairs=10)]
    sets = [running.begin(each, loaded) for each in configs]
    assert [running.pairs_a_class(each) for each in sets] == [18, 8, 10]
    assert running.images_a_step(sets, 3) == 3 * (5 + 18 + 8 + 10) + 6


# --- bad input: one line, exit code 2, nothing written ---


def refusal(arguments: list[str], capsys) -> str:
    """The one line on which the command ends."""
    with pytest.raises(SystemExit) as ended:
        main(lambda _argv: job.run(arguments))
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


BAD: list[tuple[Any, str]] = [
    (config(ipc=5), "ipc 5: the smallest class of tiny has 4 training images; lower ipc"),
    (CONFIG | {"dataset": {"name": "other", "kind": "npz"}}, 'expected {"kind":"npz","name":"other"}; run python -m udd.data again'),
    (CONFIG | {"method": "herding", "variant": "herding"}, "variant herding: its method is herding, not distill; use python -m udd.coresets"),
    ([CONFIG, config(seed=1)], "sets in lockstep need the same data set and seed; run them apart"),
    ([CONFIG, config(net_lr=0.1)], "sets in lockstep need the same networks' schedule"),
    ({"epochs": 3}, "--config: found no dataset, ipc, method, seed, variant; expected a set's configuration"),
]


@pytest.mark.parametrize(("configs", "words"), BAD)
def test_a_configuration_that_does_not_fit_is_refused(argv, tmp_path, capsys, configs, words):
    assert words in refusal(argv(configs), capsys)
    assert in_order(tmp_path) == []


def test_paths_and_texts_that_are_not_what_they_should_be_are_refused(argv, made, tmp_path, capsys):
    def replaced(option: str, value: str) -> list[str]:
        arguments = argv()
        arguments[arguments.index(option) + 1] = value
        return arguments

    assert "--config: not JSON" in refusal(replaced("--config", '{"ipc": '), capsys)
    assert "nowhere.json" in refusal(replaced("--config", "nowhere.json"), capsys)
    assert "nowhere.json: no such file" in refusal(replaced("--manifest", "nowhere.json"), capsys)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert "config.json: not a data manifest" in refusal(replaced("--manifest", str(tmp_path / "config.json")), capsys)
    assert "--device tpu9x: not a device" in refusal(replaced("--device", "tpu9x"), capsys)
    if not torch.cuda.is_available():
        assert "no usable CUDA device; use --device cpu" in refusal(replaced("--device", "cuda"), capsys)
    arguments = argv()
    del arguments[arguments.index("--manifest") : arguments.index("--manifest") + 2]
    assert "--manifest: missing; it is needed beside --config" in refusal(arguments, capsys)
    assert "1 and 2 paths for 1 configurations" in refusal([*argv(), "--curve", "a", "b"], capsys)
    job.run(replaced("--config", str(tmp_path / "config.json")))


def test_two_runs_on_one_output_are_one_too_many(argv, tmp_path, capsys):
    with lock(request.checkpoint_path((tmp_path / "checkpoints" / "set"), [CONFIG])):
        assert "another run is writing this output; wait for it or stop it first" in refusal(argv(), capsys)
    job.run(argv())


def stopped_once(arguments: list[str]) -> None:
    with pytest.raises(Stopped):
        job.run([*arguments, "--time-limit", "0"])


def test_a_truncated_checkpoint_is_refused_and_kept(argv, tmp_path, capsys):
    stopped_once(argv())
    path = request.checkpoint_path((tmp_path / "checkpoints" / "set"), [CONFIG])
    path.write_bytes(path.read_bytes()[:-100])
    size = path.stat().st_size
    capsys.readouterr()
    assert f"{path}: not a whole checkpoint" in refusal(argv(), capsys)
    assert path.stat().st_size == size
    path.unlink()
    job.run(argv())


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_can_go_on(argv, tmp_path, capsys, monkeypatch):
    job.run(argv(CONFIG, "whole"))
    stopped_once(argv())
    path = request.checkpoint_path((tmp_path / "checkpoints" / "set"), [CONFIG])
    before = path.read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.raises(UserError, match="could not be written .No space left on device."):
            job.run(argv(CONFIG, "set", "--checkpoint-seconds", "0"))
        with pytest.raises(UserError, match="set.csv: could not be written"):
            job.run(argv(CONFIG, "set"))
    assert path.read_bytes() == before
    assert not (tmp_path / "set.safetensors").exists()
    job.run(argv())
    same_sets(tmp_path, "whole", "set")


def test_an_output_that_cannot_be_written_is_one_line_and_costs_nothing_but_the_last_step(argv, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = argv()
    arguments[arguments.index("--checkpoints") + 1] = str(tmp_path / "file" / "below")
    assert "file" in refusal(arguments, capsys)


def test_a_loss_that_is_not_finite_names_iteration_class_and_last_good_checkpoint(argv, tmp_path):
    wild = config(image_lr=1e30, outer=3)
    with pytest.raises(UserError, match=r"udd: the loss is not finite at iteration [1-4], class \d; there is no checkpoint yet; lower image_lr"):
        job.run(argv(wild, "wild"))
    assert not (tmp_path / "wild.safetensors").exists()


def test_the_first_class_that_broke_is_named_and_the_last_good_checkpoint_kept(argv, tmp_path, monkeypatch):
    arguments = argv(CONFIG, "set", "--log-every", "4", "--checkpoint-seconds", "0")
    stopped_once(arguments)
    path = request.checkpoint_path((tmp_path / "checkpoints" / "set"), [CONFIG])
    before, advance = path.read_bytes(), running.advance

    def breaking(trajectory, sets, *rest):
        sets[0].images[1, 0] = float("nan")
        return advance(trajectory, sets, *rest)

    monkeypatch.setattr(running, "advance", breaking)
    with pytest.raises(UserError, match=r"not finite at iteration 2, class 1; the last good checkpoint is .*; lower image_lr and run again") as error:
        job.run(arguments)
    assert str(path) in str(error.value)
    assert path.read_bytes() == before
    monkeypatch.undo()
    later = argv(CONFIG, "set", "--log-every", "4", "--checkpoint-seconds", "1000")
    monkeypatch.setattr(running, "advance", breaking)
    with pytest.raises(UserError, match="not finite at iteration 2, class 1"):  # found two steps later, at the log line
        job.run(later)


def test_of_sets_in_lockstep_the_one_that_fails_is_named_and_the_others_are_written(argv, tmp_path, monkeypatch):
    advance = running.advance

    def breaking(trajectory, sets, *rest):
        sets[0].images[1, 0] = float("nan")
        return advance(trajectory, sets, *rest)

    monkeypatch.setattr(running, "advance", breaking)
    with pytest.raises(UserError, match="not finite at iteration 1, class .; no checkpoint is kept of it, as others in lockstep went on; lower"):
        job.run(argv([CONFIG, config(policy="random")], "pair", "--checkpoint-seconds", "0"))
    assert not (tmp_path / "pair.safetensors").exists() and not list((tmp_path / "checkpoints").rglob("*.safetensors"))
    monkeypatch.undo()
    job.run(argv(config(policy="random"), "alone"))
    same_sets(tmp_path, "alone", "pair1")


# --- by hand ---


def test_by_hand_the_cell_is_named_and_paths_follow(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UDD_DATA", str(made[1]))
    small = {"datasets": {"tiny": CONFIG["dataset"] | {"distill": CONFIG["distill"]}}}
    del small["datasets"]["tiny"]["name"]
    Path("small.yaml").write_text(json.dumps(small))
    Path("results/data").mkdir(parents=True)
    Path("results/data/tiny.json").write_text(made[0].read_text())
    job.run(["--params", str(ROOT / "params.yaml"), "small.yaml", "--dataset", "tiny", "--ipc", "2", "--device", "cpu"])
    stored = synthetic.load("results/synthetic/tiny/ipc2/udd/seed0.safetensors")
    assert stored.metadata["config"] == CONFIG
    assert Path("results/curves/tiny/ipc2/udd/seed0.csv").exists()
    capsys.readouterr()
    named = ["--params", str(ROOT / "params.yaml"), "small.yaml", "--dataset"]
    assert "--dataset tin: not in params.yaml; expected one of mnist" in refusal([*named, "tin"], capsys)
    assert "--variant ud: not in params.yaml" in refusal([*named, "tiny", "--variant", "ud"], capsys)
    for ipc in ("0", "all", "1.5", "-1"):
        assert f"--ipc {ipc}: expected a whole number" in refusal([*named, "tiny", f"--ipc={ipc}"], capsys)
    assert "its method is full, not distill" in refusal([*named, "tiny", "--variant", "full"], capsys)
