"""The workflow on a real Slurm, with the profile as it is: jobs that are cut, killed, orphaned; the same
bytes as on one machine.

Not part of `pytest` (hence the file's name): `.ci/slurm` installs what is needed and runs it.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cluster
import pytest
import yaml
from workspace import COPIED, REPOSITORY, REQUEST, environment, tiny_params

PROFILE = [
    "--profile",
    "profiles/slurm",
    "--resources",
    "gpu=0",
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--latency-wait",
    "10",
]
SHORT, LONG = (f"synthetic/digits/ipc1/{variant}/seed0.safetensors" for variant in ("udd", "udd-long"))
PATIENCE = 100  # seconds for anything; what is waited for takes about ten


class Site:
    """A cluster, and a copy of the repository on it."""

    def __init__(self, folder: Path, variables: dict[str, str]):
        self.folder, self.variables = folder, variables

    def run(self, *command: str, **variables: str) -> str:
        """Run a command to its end and return what it prints. Raises AssertionError with that if it fails."""
        call: dict[str, Any] = {
            "cwd": self.folder,
            "env": self.variables | variables,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        done = subprocess.run(command, text=True, timeout=3 * PATIENCE, **call)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def jobs(self, rule: str) -> list[dict[str, str]]:
        """Slurm's records of a rule's jobs, by the time of their submission."""
        lines = self.run("scontrol", "show", "job", "-o").splitlines()
        found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines if "JobId=" in line]
        return [job for job in found if job.get("Comment", "").startswith(f"rule_{rule}_")]

    def wait(self, what: str, ready: Callable[[], Any]) -> Any:
        """Wait until something is the case, and return it. Raises AssertionError if it takes too long."""
        until = time.monotonic() + PATIENCE
        while not (found := ready()):
            assert time.monotonic() < until, (
                f"{what}: waited {PATIENCE} s in vain\n{self.run('squeue', '--states=all')}"
            )
            time.sleep(0.2)
        return found

    def result(self, path: str) -> bytes:
        """The bytes of a result."""
        return (self.folder / "results" / path).read_bytes()


def copy_repository(target: Path) -> None:
    """What the workflow needs, with two small sets: one of three steps, one that takes a while."""
    for name in COPIED:
        source, place = REPOSITORY / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, place)
    params = tiny_params() | {"figures": {}, "tables": {"main": REQUEST | {"variants": ["udd"]}}}
    params["datasets"] = {"digits": params["datasets"]["digits"]}
    params["variants"] = {"udd": {"distill": {"outer": 3, "inner": 1}}, "udd-long": {"distill": {"outer": 40}}}
    (target / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def hasten(site: Site, over: threading.Event) -> None:
    """Let jobs that wait begin at once: Slurm keeps what was queued again back for two minutes."""
    command = "for job in $(squeue -h -t PD -o %A); do scontrol update JobId=$job StartTime=now; done"
    while not over.wait(1):
        subprocess.run(["sh", "-c", command], env=site.variables, capture_output=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "cluster").mkdir()
    copy_repository(folder / "home")
    over = threading.Event()
    with cluster.running(folder / "cluster") as variables:
        found = Site(
            folder / "home",
            environment() | {"PATH": f"{Path(variables['PATH'].split(':')[0])}:{environment()['PATH']}"},
        )
        helper = threading.Thread(target=hasten, args=(found, over))
        helper.start()
        try:
            yield found
        finally:
            over.set()
            helper.join()


@pytest.fixture(scope="module")
def local(site, tmp_path_factory) -> Site:
    """The same results, made on one machine."""
    made = Site(tmp_path_factory.mktemp("local") / "home", site.variables)
    copy_repository(made.folder)
    made.run("snakemake", "--cores", "2", "results/tables/main.tex", f"results/{LONG}")
    return made


def test_each_job_of_a_node_is_told_a_gpu_of_its_own(site):
    script = "srun -n1 --gpus=1 sh -c 'echo $CUDA_VISIBLE_DEVICES; sleep 10'"
    calls = ["sbatch", "--wait", "--partition=gpu", "--gpus=1", f"--wrap={script}"]
    both = [subprocess.Popen([*calls, f"--output=told{i}"], cwd=site.folder, env=site.variables) for i in range(2)]
    assert [one.wait(PATIENCE) for one in both] == [0, 0]
    assert sorted((site.folder / f"told{i}").read_text().strip() for i in range(2)) == ["0", "1"]


def kill_a_step(site: Site) -> None:
    """Kill a step in which a distillation runs, by a signal that nothing can answer; the next one, if that one had just
    ended."""

    def states(*names: str) -> list[dict[str, str]]:
        return [job for job in site.jobs("distill") if job["JobState"] in names]

    while not states("FAILED", "COMPLETED"):
        number = site.wait("a distillation", lambda: states("RUNNING", "FAILED", "COMPLETED"))[0]["JobId"]
        if f"{number}.0" in site.run("squeue", "-h", "--steps", "--format=%i"):
            call = {"env": site.variables, "capture_output": True}
            subprocess.run(["scancel", "--signal=KILL", f"{number}.0"], **call)
            time.sleep(2)  # until Slurm has noticed


def test_a_run_may_be_cut_more_often_than_jobs_may_fail(site, local):
    """Cut after each of three iterations, one step of Slurm's killed, one failure allowed."""
    killer = threading.Thread(target=kill_a_step, args=(site,))
    killer.start()
    options = "--time-limit 0"
    site.run("snakemake", *PROFILE, "--retries", "1", "results/tables/main.tex", UDD_DISTILL_OPTIONS=options)
    killer.join()
    failed, cut = site.jobs("distill")
    assert (failed["JobState"], cut["JobState"]) == ("FAILED", "COMPLETED")
    assert int(failed["Restarts"]) + int(cut["Restarts"]) == 2  # whichever step it was
    assert len(site.jobs("data")) == len(site.jobs("evaluate")) == 1 and not site.jobs("tables")
    assert "gpu" not in site.run(
        "squeue", "-h", "--states=all", "--Format=tres-per-job:50,JobArrayID", "--partition=cpu"
    )
    assert site.result(SHORT) == local.result(SHORT) and site.result("tables/main.tex") == local.result(
        "tables/main.tex"
    )


def test_what_a_dead_submitter_left_running_is_not_lost(site, local):
    """Told that its time is over, a distillation is queued again; its submitter dies, is started again and
    submits the set a second time."""
    call = ["snakemake", *PROFILE, "--retries", "0", f"results/{LONG}"]
    checkpoints = site.folder / "results" / "checkpoints"
    before = set(checkpoints.rglob("*.safetensors"))
    variables = site.variables | {"UDD_DISTILL_OPTIONS": "--checkpoint-seconds 0"}
    with open(site.folder / "first.log", "w") as said:
        first = subprocess.Popen(call, cwd=site.folder, env=variables, stdout=said, stderr=said)
    try:
        site.wait("a checkpoint", lambda: set(checkpoints.rglob("*.safetensors")) - before)
        number = site.jobs("distill")[-1]["JobId"]
        site.run("scancel", "--signal=TERM", number)  # as Slurm does before the end, and before it pre-empts
        site.wait("the job in the queue again", lambda: site.jobs("distill")[-1]["Restarts"] == "1")
    finally:
        first.kill()
        first.wait()
    site.run("snakemake", "--unlock")
    site.run(*call)
    jobs = [job for job in site.jobs("distill") if "udd-long" in job["Comment"]]
    assert jobs[0]["JobId"] == number and {job["JobState"] for job in jobs} == {"COMPLETED"}
    if len(jobs) > 1:
        log = (
            site.folder / "results" / "logs" / LONG.replace("synthetic", "distill").replace(".safetensors", ".log")
        ).read_text()
        assert "goes on from" in log
    assert site.result(LONG) == local.result(LONG)
    assert "Nothing to be done" in site.run("snakemake", "--cores", "1", f"results/{LONG}")
