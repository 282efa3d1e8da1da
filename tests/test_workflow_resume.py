"""Jobs of the workflow that are killed, that fail or that a time limit stops: named, and what was computed is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from workspace import Workspace, after, environment, jobs


def test_an_evaluation_seed_more_trains_one_network_and_a_failure_loses_none(workspace: Workspace) -> None:
    """The second network of the full record joins the first; of a job that fails with its third,
    the second is not trained again."""
    record = workspace.path / "results/accuracy/small/ipc1/udd/seed0/idc/convnet3.json"
    log = workspace.path / "results/logs/evaluate/small/ipc1/udd/seed0/idc/convnet3.log"
    target, first = str(record.relative_to(workspace.path)), json.loads(record.read_text())["networks"]
    job = workspace.path / "udd/evaluation/records.py"
    whole = job.read_text()
    workspace.edit(seeds={"evaluate": [0, 1, 2]})
    failing = (
        'def evaluate(config, *rest):\n    if config["network"] == 2:\n        raise UserError("no third network")\n'
    )
    workspace.replace(
        "udd/evaluation/records.py",
        "def record(",
        f"whole = evaluate\n\n\n{failing}    return whole(config, *rest)\n\n\ndef record(",
    )
    assert "no third network" in workspace.run("snakemake", "--cores", "1", target, fails=True)
    assert not record.exists()  # or it would pass for finished
    job.write_text(whole)
    workspace.run("snakemake", "--cores", "1", target)
    assert (
        "network 2 epoch" in (said := log.read_text())
        and "network 0 epoch" not in said
        and "network 1 epoch" not in said
    )
    found = json.loads(record.read_text())["networks"]
    assert found.keys() == {"0", "1", "2"} and found["0"] == first["0"] and not list(record.parent.glob("*.part"))


def running(workspace: Workspace, module: str) -> int | None:
    """The process of a module that runs in a workspace."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (
                module.encode() in words
                and words[0].endswith(b"python")
                and (process / "cwd").readlink() == workspace.path
            ):
                return int(process.name)
        except OSError:
            continue
    return None


def test_a_killed_job_goes_on_from_its_checkpoint(workspace: Workspace) -> None:
    """SIGKILL in the middle of one distillation: the message names it; the next run goes on, and repeats nothing
    else."""
    workspace.edit(datasets={"small": {"distill": {"outer": 8, "inner": 4}}})
    variables = environment() | {"UDD_DISTILL_OPTIONS": "--checkpoint-seconds 0"}
    call = {
        "cwd": workspace.path,
        "env": variables,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }
    snakemake = subprocess.Popen(["snakemake", "--cores", "2"], **call)
    checkpoints, deadline = workspace.path / "results" / "checkpoints", time.monotonic() + 240
    while not list(checkpoints.rglob("*.safetensors")):
        assert time.monotonic() < deadline and snakemake.poll() is None, snakemake.communicate()[0]
        time.sleep(0.02)
    process = running(workspace, "distill")
    assert process is not None
    os.kill(process, signal.SIGKILL)
    said, _ = snakemake.communicate(timeout=300)
    assert snakemake.returncode != 0
    assert "failed: distill small 1 udd 0" in said
    said = workspace.run("snakemake", "--cores", "2")
    assert jobs(said) == after(distill=1, evaluate=1)
    assert "goes on from" in said


def test_a_failing_cell_stops_no_other_and_is_named(workspace: Workspace) -> None:
    """One cell's networks diverge before a step; a time limit ends another at a checkpoint. The rest is made."""
    wild = {"distill": {"pretrain_epochs": 1, "net_lr": 1.0e30}}
    workspace.edit(variants={"wild": wild}, tables={"kip": {"datasets": ["digits"], "ipc": [1], "variants": ["wild"]}})
    workspace.edit(datasets={"small": {"distill": {"outer": 3}}}, seeds={"evaluate": [0, 1]})
    said = workspace.run("snakemake", "--cores", "2", fails=True, UDD_DISTILL_OPTIONS="--time-limit 0")
    last = said[said.rindex("failed: distill digits") :]
    assert "failed: distill digits 1 wild 0\n  error: wild: the loss is not finite at iteration 1" in last
    assert "log: results/logs/distill/digits/ipc1/wild/seed0.log" in last
    assert (
        "failed: distill small 1 udd 0\n  stopped by time limit after 1 of 6 iterations; run the same command again"
        in last
    )
    assert (workspace.path / "results/accuracy/digits/ipc1/udd/seed0/idc/convnet3.json").exists()


def test_a_set_made_elsewhere_in_slices_takes_its_place(workspace: Workspace, tmp_path: Path) -> None:
    """A cell is distilled without the workflow, one step a slice, from its configuration, manifest and packed
    data, and put in its place."""
    workspace.edit(datasets={"small": {"distill": {"image_lr": 0.1, "outer": 1}}})
    config, made = tmp_path / "cell.json", tmp_path / "seed0.safetensors"
    config.write_text(
        workspace.run("python", "-m", "udd", "plan", "--dataset", "small", "--ipc", "1", "--variant", "udd")
    )
    given = ["--config", str(config), "--manifest", "results/data/small.json", "--root", "data", "--out", str(made)]
    slices = 0
    while not made.exists():
        # Two iterations
        workspace.run("python", "-m", "udd", "distill", *given, "--time-limit", "0", fails=slices < 1)
        slices += 1
    place = "small/ipc1/udd/seed0"
    shutil.copy(made, workspace.path / f"results/synthetic/{place}.safetensors")
    shutil.copy(made.with_suffix(".csv"), workspace.path / f"results/curves/{place}.csv")
    workspace.run("snakemake", "--touch", f"results/synthetic/{place}.safetensors")
    assert workspace.planned() == after(evaluate=1)
