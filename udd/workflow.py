"""What the Snakemake rules need to know, as plain functions: paths, wildcards, configurations, devices, messages. Never imports torch."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from udd import plan
from udd.cli import UserError
from udd.plan import Cell, Params, Record, canonical

COMPUTED = ("distill", "random", "herding", "forgetting")  # the methods that leave a set


def under(root: str) -> Callable[[str], str]:
    """A function from a path below `root` to the path that Snakemake knows: `./data` and `data` are one file to us, two to it."""
    return lambda path: os.path.normpath(os.path.join(root, path))


def pick(names: Iterable[Any]) -> str:
    """A wildcard constraint: any of `names`; one that never matches if there are none."""
    return "|".join(str(name) for name in names) or "(?!)"


def variants(params: Params, *methods: str) -> list[str]:
    """The variants whose sets are made by one of `methods`."""
    return [name for name in params["variants"] if plan.method(params, name) in methods]


def ipc(text: str) -> int | str:
    """A wildcard's IPC: a number, or `all` for the full data set."""
    return text if text == plan.FULL else int(text)


def cell(wildcards: Any) -> Cell:
    """The cell that a rule's wildcards name."""
    return Cell(wildcards.dataset, ipc(wildcards.ipc), wildcards.variant)


def record(wildcards: Any) -> Record:
    """The evaluation that a rule's wildcards name."""
    return Record(cell(wildcards), int(wildcards.seed), wildcards.protocol, wildcards.architecture, int(wildcards.network))



def checked(config: dict[str, Any], files: Iterable[str]) -> Params:
    """The parameters, if they are sound; else end Snakemake with one line that says what is not."""
    from udd.params import check

    try:
        return check(config, " + ".join(dict.fromkeys(Path(file).name for file in files)))
    except UserError as error:
        sys.exit(f"error: {error}")


def prepare_environment(params: Params, base: str) -> None:
    """What jobs inherit: this interpreter, the `udd` in `base`, and the data root, which is no parameter of any result."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [base, os.environ.get("PYTHONPATH")]))
    os.environ["UDD_DATA"] = os.path.abspath(plan.data_root(params))


def gpu_visible() -> bool:
    """Whether jobs will find a GPU, asked of the driver: torch is slow to import."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not shutil.which("nvidia-smi"):
        return False
    return "GPU" in subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout


def gpus_a_job(workflow: Any) -> int:
    """1 if jobs use a GPU, of which there is one unless `--resources gpu=N` says otherwise; 0 if CPU jobs may run side by side."""
    asked = "gpu" in workflow.global_resources
    if not asked:
        workflow.register_resource("gpu", 1)  # here, not in a profile: `--resources` on the command line would replace a profile's
    return int(asked or gpu_visible())


def set_config(params: Params, wildcards: Any) -> str:
    """The configuration of a set, as a rule's one parameter: Snakemake compares parameters as an unordered set of values."""
    return canonical(plan.set_config(params, cell(wildcards), int(wildcards.seed)))


def evaluation_config(params: Params, wildcards: Any) -> str:
    """The configuration of an evaluation."""
    return canonical(plan.evaluation_config(params, record(wildcards)))


def utilization_config(params: Params, wildcards: Any) -> str:
    """The configuration of a measurement of mUE."""
    return canonical(plan.utilization_config(params, cell(wildcards), int(wildcards.seed)))


def measured(params: Params, wildcards: Any) -> dict[str, str]:
    """The inputs of what measures a set: the data set's manifest and the set, of which the full data set has none."""
    results = under(params["results"])
    files = {"manifest": results(f"data/{wildcards.dataset}.json")}
    if wildcards.ipc != plan.FULL:
        files["set"] = results(f"synthetic/{cell(wildcards).folder}/seed{wildcards.seed}.safetensors")
    return files


def set_option(files: Any) -> str:
    """`--set FILE` where the rule has a set."""
    return f"--set {shlex.quote(files.set)}" if "set" in files.keys() else ""
