"""What the Snakemake rules need to know, as plain functions: paths, wildcards, configurations, devices, messages. Never imports torch.

`udd check-lock` asks whether all that dvc.lock lists is here; dvc.yaml does so first, since `dvc repro` would forget the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from udd import persistence
from udd.config import caches, plan
from udd.config import drawings as analysis
from udd.config.plan import Cell, Params, Record, canonical
from udd.config.reading import read_mapping, typed
from udd.data.sources import fingerprint
from udd.errors import UserError
from udd.methods import modules
from udd.provenance import code_digest


def under(root: str) -> Callable[[str], str]:
    """A function from a path below `root` to the path that Snakemake knows: `./data` and `data` are one file to us, two to it."""
    return lambda path: os.path.normpath(os.path.join(root, path))


def pick(names: Iterable[Any]) -> str:
    """A wildcard constraint: any of `names`; one that never matches if there are none."""
    return "|".join(str(name) for name in names) or "(?!)"


def ipc(text: str) -> int | str:
    """A wildcard's IPC: a number, or `all` for the full data set."""
    return text if text == plan.FULL else int(text)


def cell(wildcards: Any) -> Cell:
    """The cell that a rule's wildcards name."""
    return Cell(wildcards.dataset, ipc(wildcards.ipc), wildcards.variant)


def record(wildcards: Any) -> Record:
    """The evaluation that a rule's wildcards name."""
    return Record(cell(wildcards), int(wildcards.seed), wildcards.protocol, wildcards.architecture)


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
        params = check(overlay(config, typed(dict(workflow.config_settings.config))), " + ".join(dict.fromkeys(Path(file).name for file in files)))
        if os.path.realpath(params["results"]) == os.path.realpath(workflow.basedir):
            raise UserError("results: it is the repository itself, which would be filled; run with --directory (results/demo for demo.yaml)")
        return params
    except UserError as error:
        sys.exit(f"error: {error}")


# glibc gives large blocks back at once and faults them in anew at every step, a third of a CPU step's time; so it keeps them instead.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "268435456"}


def prepare_environment(params: Params, base: str) -> None:
    """What jobs inherit: this interpreter, the `udd` in `base`, and the data root, seen from there, which is no parameter of any result."""
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
    """Let a job that is alone in a Slurm job of this workflow's put itself back into the queue when it is cut (udd.slurm)."""
    if workflow.remote_exec:
        os.environ["UDD_REQUEUE"] = "1"


def gpu_visible() -> bool:
    """Whether jobs will find a GPU, asked of the driver: torch is slow to import."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not shutil.which("nvidia-smi"):
        return False
    return "GPU" in subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout


def gpus_a_job(workflow: Any) -> int:
    """1 if jobs use a GPU, of which there is one unless `--resources gpu=N` says otherwise; 0 if CPU jobs may run side by side (or N is 0)."""
    if "gpu" in workflow.global_resources:
        return int(amount(workflow, "gpu") != 0)
    workflow.register_resource("gpu", 1)  # here, not in a profile: `--resources` on the command line would replace a profile's
    return int(gpu_visible())


def set_config(params: Params, wildcards: Any) -> str:
    """The configuration of a set, as a rule's one parameter: Snakemake compares parameters as an unordered set of values."""
    return canonical(plan.set_config(params, cell(wildcards), int(wildcards.seed)))


def raw_files(params: Params, dataset: str) -> str:
    """What a data set's raw files are now; what has become of them is said once a start."""
    manifest = under(params["results"])(f"data/{dataset}.json")
    return found_raw(canonical(plan.dataset_config(params, dataset)), os.environ["UDD_DATA"], manifest)


@cache
def found_raw(config: str, root: str, manifest: str) -> str:
    """`raw_files` by a data set's configuration, data root and manifest."""
    files, said = fingerprint(json.loads(config), Path(root), Path(manifest))
    if said:
        print(said, file=sys.stderr)
    return files


def cache_config(params: Params, wildcards: Any) -> str:
    """The configuration of a set that meets the cache which a rule's wildcards name: no more of it than decides a network, so that a cache grows."""
    met = caches.caches(params)[f"{wildcards.dataset}/{wildcards.cache}"]
    return canonical(caches.cache_config(met))


def cache_of(params: Params, wildcards: Any) -> list[str]:
    """The records of the cached networks that a set meets, if it does. The networks themselves may be gone: a set that is made brings them back."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    members = range(caches.networks(config)) if caches.meets_cache(config) else ()
    return [under(params["results"])(f"proxies/cached/{caches.cache_name(config)}/network{member}.json") for member in members]


def cache_option(params: Params, wildcards: Any) -> str:
    """`--cache FOLDER` where a set meets a cache."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    return f"--cache {shlex.quote(under(params['results'])(f'cache/{caches.cache_name(config)}'))}" if caches.meets_cache(config) else ""


def method_code(params: Params, wildcards: Any) -> str:
    """The digests of the code that a set is made by: its method's, and its networks'."""
    config = plan.set_config(params, cell(wildcards), int(wildcards.seed))
    return " ".join(code_digest(module) for module in modules(config))


def evaluation_config(params: Params, wildcards: Any) -> str:
    """The configuration of a record, with its networks."""
    return canonical(plan.evaluation_config(params, record(wildcards)) | {"networks": params["seeds"]["evaluate"]})


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
    return f"--set {shlex.quote(files.set)}" if "set" in dict(files.items()) else ""


def collected(params: Params, request: str) -> list[str]:
    """The records and measurements, below results, that one table or figure shows."""
    wanted = plan.only(params, request)
    measured = [f"utilization/{analysis.measurement_path(*found)}" for found in analysis.measurements(wanted)]
    return [f"accuracy/{found.path}" for found in plan.all_records(wanted)] + measured


def drawing(params: Params, stem: str) -> analysis.Drawing:
    """The drawing whose files are called `stem`."""
    return next(found for found in analysis.drawings(params) if found.stem == stem)


def drawn_from(params: Params, stem: str) -> list[str]:
    """The files below results that a drawing needs; of the collected ones, its own."""
    drawn = drawing(params, stem)
    needed = analysis.inputs(params, drawn)
    return [f"collected/{drawn.name}/{path}" if path in ("accuracy.csv", "utilization.csv") else path for path in needed]


def collected_requests(params: Params) -> list[str]:
    """The tables, and the figures of accuracies, each of which has its own collected files."""
    return [*params["tables"], *(name for name in params["figures"] if name in plan.ACCURACY_FIGURES)]


def digest(folder: Path) -> str:
    """The digest (16 hexadecimal digits) of the files in a folder: a parameter that changes when one of them does, wherever the folder is."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def reported(kind: str, wildcard: str, form: str) -> dict[str, Any]:
    """Where `snakemake --report` shows a rule's output, and its caption. Files with the same labels would hide each other."""
    return {"caption": f"../report/{kind}.rst", "category": f"{kind.capitalize()}s", "labels": {kind: f"{{{wildcard}}}", "file": form}}


def reportable(params: Params) -> None:
    """End `snakemake --report` with one line if what it shows is not made yet."""
    words = sys.argv[1:]
    if "--report-after-run" in words or not any(word == "--report" or word.startswith("--report=") for word in words):
        return
    shown = list(map(under(params["results"]), wanted(params)))
    asked = [path for path in map(os.path.normpath, words) if path in shown] or shown
    if missing := [path for path in asked if not os.path.exists(path)]:
        told = f"{missing[0]} and {len(missing) - 1} other files are" if missing[1:] else f"{missing[0]} is"
        sys.exit(f"error: --report: {told} not made yet; run snakemake first (with the same --directory, --configfile and files), then this again")


def succeeded(params: Params, workflow: Any) -> str:
    """What to say at the end: the main table, or those that were asked for instead, and where everything is."""
    results = under(params["results"])
    asked = {str(file) for job in workflow.dag.jobs for file in job.output}
    tables = [path for path in (results(f"tables/{name}.md") for name in params["tables"]) if path in asked]
    main = [path for path in tables if path == results("tables/main.md")]
    places = {"tables": "tables", "figures": "figures", "synthetic images": "synthetic", "loss curves": "curves", "logs": "logs"}
    lines = [f"{name}: {os.path.abspath(results(folder))}" for name, folder in places.items() if filled(results(folder))]
    return "\n".join([*(Path(path).read_text() for path in main or tables), *lines])


def filled(folder: str) -> bool:
    """Whether there is something in a folder."""
    return os.path.isdir(folder) and any(os.scandir(folder))


def set_aside(workflow: Any) -> None:
    """Move the records of evaluations that failed beside their places, where the next run of the job finds their networks (udd.evaluation.job).

    Snakemake brings back the record that was there before, forgets of what parameters it was, and would take it for finished.
    """
    failed = workflow.scheduler.failed if workflow.scheduler else ()
    for path in (Path(path) for job in failed if job.rule.name == "evaluate" for path in job.output):
        part = path.with_name(f"{path.name}.part")
        if path.exists() and not part.exists():
            path.replace(part)
        path.unlink(missing_ok=True)


def failed(workflow: Any) -> str:
    """What to say when jobs failed: each one's name, its last words and its log."""
    jobs = sorted(workflow.scheduler.failed, key=lambda job: str(job.output)) if workflow.scheduler else []
    blocks = [f"failed: {job.rule.name} {' '.join(job.wildcards)}\n  {last_line(job.log)}\n  log: {' '.join(job.log)}" for job in jobs]
    return "\n".join([*blocks, "What is done is kept: the same command makes what is missing, and distillation goes on from its checkpoint."])


def last_line(logs: Iterable[str]) -> str:
    """The last line that a job wrote."""
    lines = [line for log in logs if Path(log).exists() for line in Path(log).read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing; it may have been killed"


COLLECTED = ("accuracy.csv", "utilization.csv", "metrics.json")
VERSIONED = ("synthetic", "proxies", "curves", "accuracy", "utilization")  # what DVC keeps, below results; no cache, which is large


def wanted(params: Params) -> list[str]:
    """All that `snakemake` makes, below results: CSV, metrics, tables, their PDF or its source, figures."""
    tables = [f"tables/{table}.{kind}" for table in params["tables"] for kind in ("tex", "md", "csv")]
    figures = [f"figures/{found.stem}.{kind}" for found in analysis.drawings(params) for kind in ("png", "pdf")]
    return [*COLLECTED, *tables, f"tables/{'tables.pdf' if shutil.which('pdflatex') else 'all.tex'}", *figures]


def amount(workflow: Any, resource: str) -> Any:
    """How much of a resource there is; something else than a number, or None, if that is open."""
    found = workflow.global_resources.get(resource)
    return getattr(found, "value", found)  # a number in older versions, a Resource in newer ones


def make_folders(params: Params) -> None:
    """Make the folders that DVC keeps, so that `dvc commit` works when only some cells exist."""
    for folder in VERSIONED:
        Path(params["results"], folder).mkdir(parents=True, exist_ok=True)


def records_file(params: Params) -> Path:
    """Where Snakemake's records are kept for git, by the content of the files they are about."""
    return Path(under(params["results"])("snakemake.jsonl"))


def restore_records(workflow: Any, params: Params) -> None:
    """Before anything is planned: give each file here the record of its content. Not in the processes of single jobs."""
    if workflow.is_main_process:
        results = under(params["results"])
        collected = {results(f"collected/{request}/{name}") for request in collected_requests(params) for name in COLLECTED}
        persistence.restore(records_file(params), set(map(results, wanted(params))), collected)


def keep_records(params: Params) -> None:
    """After a run, whatever became of it: note down Snakemake's records."""
    persistence.keep(records_file(params))


def absent(lock: dict[str, Any]) -> list[str]:
    """The folders of dvc.lock that hold fewer files than it lists, each with both counts."""
    lines = []
    for out in (out for stage in lock["stages"].values() for out in stage["outs"]):
        found = sum(path.is_file() and path.suffix not in (".lock", ".part") for path in Path(out["path"]).rglob("*"))
        if found < out.get("nfiles", 0):
            lines.append(f"{out['path']} has {found} of {out['nfiles']} files")
    return lines


def run(_argv: list[str] | None = None) -> None:
    """Raise UserError if something that dvc.lock lists is not here; say so if nothing was evaluated yet."""
    import yaml

    lock = yaml.safe_load(Path("dvc.lock").read_text()) if Path("dvc.lock").exists() else {"stages": {}}
    if lines := absent(lock):
        raise UserError(f"dvc.lock: {'; '.join(lines)}: run dvc pull (or dvc checkout) first; if they were deleted on purpose, dvc commit")
    if not any(out.get("nfiles") for stage in lock["stages"].values() for out in stage["outs"]):
        print("dvc.lock lists no results: nothing is evaluated yet, all of it is computed now (`udd estimate` says what that costs)", flush=True)
