"""Before anything is planned: the parameters checked, what jobs inherit, how many GPUs a job takes, what must be
there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from udd.config import plan
from udd.config.fitting import check_cells
from udd.config.plan import Params
from udd.config.reading import read_mapping, typed
from udd.errors import UserError
from udd.reports.names import check_told_apart
from udd.workflow.paths import VERSIONED, under, wanted


def readable(path: str) -> None:
    """End Snakemake with one line if the file cannot be read; its own message does not say where."""
    try:
        read_mapping(path)
    except UserError as error:
        sys.exit(f"error: {error}")


def checked(config: dict[str, Any], workflow: Any) -> Params:
    """The parameters, if they are sound; else end Snakemake with one line that says what is not.

    Snakemake has merged the files already, of a key declared twice the last, and reads what --config says as text."""
    from udd.config.params import check, overlay

    files = list(dict.fromkeys(reversed(workflow.configfiles)))
    try:
        for file in files:
            read_mapping(file)
        source = " + ".join(dict.fromkeys(Path(file).name for file in files))
        params = check(overlay(config, typed(dict(workflow.config_settings.config))), source)
        if os.path.realpath(params["results"]) == os.path.realpath(workflow.basedir):
            raise UserError(
                "results: it is the repository itself, which would be filled; run with --directory (results/demo for "
                "experiments/demo.yaml)"
            )
        check_cells(params, source)
        check_told_apart(params, source)
        return params
    except UserError as error:
        sys.exit(f"error: {error}")


# glibc gives large blocks back at once and faults them in anew at every step, a third of a CPU step's time;
# so it keeps them instead.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "268435456"}


def prepare_environment(params: Params, base: str) -> None:
    """What jobs inherit: this interpreter, the `udd` in `base`, and the data root, seen from there, which is no
    parameter of any result."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [base, os.environ.get("PYTHONPATH")]))
    try:
        os.environ["UDD_DATA"] = os.path.abspath(Path(base, plan.data_root(params)))  # one for all --directory
    except UserError as error:
        sys.exit(f"error: {error}")
    os.environ.setdefault("UDD_DISTILL_OPTIONS", "")  # --time-limit and the like: how to run, not what
    for name, value in MALLOC.items():
        os.environ.setdefault(name, value)


def may_queue_again(workflow: Any) -> None:
    """Let a job that is alone in a Slurm job of this workflow's put itself back into the
    queue when it is cut (udd.slurm)."""
    if workflow.remote_exec:
        os.environ["UDD_REQUEUE"] = "1"


def gpu_visible() -> bool:
    """Whether jobs will find a GPU, asked of the driver: torch is slow to import."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not shutil.which("nvidia-smi"):
        return False
    return "GPU" in subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout


def gpus_a_job(workflow: Any) -> int:
    """1 if jobs use a GPU, of which there is one unless `--resources gpu=N` says otherwise; 0 if CPU jobs may run
    side by side (or N is 0)."""
    if "gpu" in workflow.global_resources:
        return int(amount(workflow, "gpu") != 0)
    # Here, not in a profile: `--resources` on the command line would replace a profile's
    workflow.register_resource("gpu", 1)
    return int(gpu_visible())


def amount(workflow: Any, resource: str) -> Any:
    """How much of a resource there is; something else than a number, or None, if that is open."""
    found = workflow.global_resources.get(resource)
    return getattr(found, "value", found)  # a number in older versions, a Resource in newer ones


def make_folders(params: Params) -> None:
    """Make the folders that DVC keeps, so that `dvc commit -f dvc.yaml` works when only some cells exist."""
    for folder in VERSIONED:
        Path(params["results"], folder).mkdir(parents=True, exist_ok=True)


def reportable(params: Params) -> None:
    """End `snakemake --report` with one line if what it shows is not made yet."""
    words = sys.argv[1:]
    if "--report-after-run" in words or not any(word == "--report" or word.startswith("--report=") for word in words):
        return
    shown = list(map(under(params["results"]), wanted(params)))
    asked = [path for path in map(os.path.normpath, words) if path in shown] or shown
    if missing := [path for path in asked if not os.path.exists(path)]:
        told = f"{missing[0]} and {len(missing) - 1} other files are" if missing[1:] else f"{missing[0]} is"
        sys.exit(
            f"error: --report: {told} not made yet; run snakemake first (with the same --directory, --configfile and "
            "files), then this again"
        )
