"""Distillation as a job: what it writes, alone, with snapshots, and by hand."""

import json
import time
from itertools import count
from pathlib import Path

import pytest
import torch
from jobs import in_order, refusal, same_sets
from tiny import ROOT, config, dataset

from udd.errors import Stopped, UserError
from udd.evaluation.accuracy import check_set
from udd.files import sha256
from udd.runs import distilling, task
from udd.synthetic import sets as synthetic

CONFIG = config()


def test_a_job_writes_set_and_curve_and_removes_its_checkpoint(argv, tmp_path, capsys):
    distilling.run(argv(CONFIG, "set", "--checkpoint-seconds", "0"))
    assert in_order(tmp_path) == ["checkpoints", "set.cost.json", "set.csv", "set.safetensors"]
    assert in_order(tmp_path / "checkpoints" / "set") == []
    lines = (tmp_path / "set.csv").read_text().splitlines()
    assert lines[0].startswith(
        "iteration,outer,loss,loss_gradient,loss_cfc,grad_norm_gradient,grad_norm_cfc,steps_per_second,seconds"
    )
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3", "4"]
    for line in lines[1:]:
        _, _, loss, gradient, cfc, *norms = map(float, line.split(","))
        assert loss == pytest.approx(gradient + cfc) and min(norms) > 0
    took = json.loads((tmp_path / "set.cost.json").read_text())
    assert (
        took["seconds"] >= float(lines[-1].split(",")[-1]) > 0
        and took["peak_bytes"] > 50_000_000
        and took["of"] == sha256(tmp_path / "set.csv")
    )
    stored = synthetic.load(tmp_path / "set.safetensors")
    assert stored.metadata["config"] == CONFIG
    assert stored.metadata["provenance"].keys() == {"module", "code", "git", "versions", "device", "threads", "inputs"}
    log = capsys.readouterr().err.splitlines()
    assert len(log) == 4 and all("steps/s" in line and "to go" in line and "loss_gradient" in line for line in log)


def test_a_run_in_slices_took_what_all_of_them_took(argv, tmp_path, monkeypatch):
    """The seconds of all processes, the highest peak of any; and what it took changes no bit of the set."""
    monkeypatch.setattr("udd.runs.taken.peak", lambda: 9_000_000_000)
    monkeypatch.setattr(time, "monotonic", count(0, 10_000).__next__)  # a slow process, which is cut
    with pytest.raises(Stopped):
        distilling.run(argv(CONFIG, "cut", "--time-limit", "0"))
    monkeypatch.setattr("udd.runs.taken.peak", lambda: 1)
    monkeypatch.setattr(time, "monotonic", count(0, 1).__next__)
    distilling.run(argv(CONFIG, "cut"))
    monkeypatch.undo()
    distilling.run(argv(CONFIG, "whole"))
    took = json.loads((tmp_path / "cut.cost.json").read_text())
    assert took["peak_bytes"] == 9_000_000_000 and took["seconds"] > 10_000
    same_sets(tmp_path, "cut", "whole")


def test_a_checkpoint_is_of_one_configuration_one_code_and_one_data_set(made, tmp_path, monkeypatch):
    one, changed = config(), tmp_path / "manifest.json"
    changed.write_text(made[0].read_text() + " ")

    def path(asked: dict, manifest: Path = made[0]) -> Path:
        return task.checkpoint_path(Path("folder"), asked, manifest)

    names = {*map(path, (one, config(image_lr=0.01), config(ipc=1), config(seed=1))), path(one, changed)}
    assert len(names) == 5
    assert path(one) == path(dict(reversed(one.items())))
    monkeypatch.setattr("udd.runs.task.code_digest", lambda module: "another")
    assert path(one) not in names


def test_snapshots_are_the_sets_of_shorter_schedules(argv, tmp_path):
    distilling.run(argv(config(outer=3, image_lr_decay_at=[]), "long", "--snapshots", "1", "2"))
    for outer in (1, 2):
        distilling.run(argv(config(outer=outer, image_lr_decay_at=[]), "short"))
        early, short = (synthetic.load(tmp_path / f"{name}.safetensors") for name in (f"long-outer{outer}", "short"))
        assert torch.equal(early.images, short.images)
        assert early.metadata["config"] == short.metadata["config"]


def test_a_snapshot_of_a_falling_rate_is_no_shorter_schedule(argv, tmp_path):
    distilling.run(argv(config(outer=3, image_lr_decay_at=[0.6]), "long", "--snapshots", "1"))
    early = synthetic.load(tmp_path / "long-outer1.safetensors")
    short = config(outer=1, image_lr_decay_at=[0.6])
    assert early.metadata["config"] == short | {"distill": short["distill"] | {"snapshot_of": 3}}
    with pytest.raises(UserError, match="snapshot_of"):
        check_set(early, {"set": short}, dataset(), tmp_path / "long-outer1.safetensors")


def test_by_hand_the_cell_is_named_and_paths_follow(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UDD_DATA", str(made[1]))
    small = {"datasets": {"tiny": CONFIG["dataset"] | {"distill": CONFIG["distill"]}}}
    del small["datasets"]["tiny"]["name"]
    Path("small.yaml").write_text(json.dumps(small))
    Path("results/data").mkdir(parents=True)
    Path("results/data/tiny.json").write_text(made[0].read_text())
    distilling.run(
        ["--params", str(ROOT / "params.yaml"), "small.yaml", "--dataset", "tiny", "--ipc", "2", "--device", "cpu"]
    )
    stored = synthetic.load("results/synthetic/tiny/ipc2/udd/seed0.safetensors")
    assert stored.metadata["config"] == CONFIG
    assert Path("results/curves/tiny/ipc2/udd/seed0.csv").exists()
    capsys.readouterr()
    named = ["--params", str(ROOT / "params.yaml"), "small.yaml", "--dataset"]
    assert "--dataset tin: not in params.yaml; expected one of mnist" in refusal([*named, "tin"], capsys, 2)
    assert "--variant ud: not in params.yaml" in refusal([*named, "tiny", "--variant", "ud"], capsys, 2)
    for ipc in ("0", "all", "1.5", "-1"):
        assert f"--ipc {ipc}: expected a whole number" in refusal([*named, "tiny", f"--ipc={ipc}"], capsys, 2)
    assert "its method is full, which distils nothing" in refusal([*named, "tiny", "--variant", "full"], capsys)
