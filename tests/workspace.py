"""A small copy of the repository, in which the whole workflow runs in seconds, for the tests of the workflow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from udd.config.params import overlay

REPOSITORY = Path(__file__).parents[1]
COPIED = (
    "Snakefile",
    "udd",
    "workflow",
    "profiles",
    "dvc.yaml",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitignore",
)
REQUEST = {"ipc": [1], "datasets": ["digits"]}
TINY: dict[str, Any] = {
    "seeds": {"distill": [0], "evaluate": [0]},
    "udd": {"max_pairs": 16},
    "idc": {"max_pairs": 16},
    "distill": {
        "width": 4, "outer": 2, "inner": 2, "net_images": 16, "net_batch": 8, "batch_real": 4,
        "matching_augment": ["color", "crop"], "image_lr_decay_at": [0.5], "cache_networks": 2, "cache_ages": 2,
    },
    "coreset": {"width": 4, "epochs": 1},
    "evaluate": {"width": 4, "epochs": 1},
    "utilization": {"width": 4, "epochs": 1, "networks": 1, "images": 20},
}  # fmt: skip
REPLACED: dict[str, Any] = {
    "datasets": {"digits": {"kind": "digits", "size": 8}, "small": {"kind": "digits", "size": 10}},
    "variants": {"udd": {}, "random": {"method": "random"}, "udd-nocfc": {"udd": {"cfc": False}},
    "idc": {"method": "idc"}},
    "tables": {
        "main": REQUEST | {"datasets": ["digits", "small"], "variants": ["random", "udd"]},
        "cfc": REQUEST | {"variants": ["udd-nocfc", "udd"]},
    },
    "figures": {},
}  # fmt: skip


def tiny_params() -> dict[str, Any]:
    """params.yaml with two small data sets, three cells and short schedules."""
    return overlay(yaml.safe_load((REPOSITORY / "params.yaml").read_text()), TINY) | REPLACED


class Workspace:
    """A copy of the repository at `path`, under git and DVC."""

    def __init__(self, path: Path):
        self.path = path

    def run(self, *command: str, fails: bool = False, **variables: str) -> str:
        """Run a command in it and return all that it prints. Raises AssertionError with that if it fails,
        or if it should and does not."""
        call = {
            "cwd": self.path,
            "env": environment() | variables,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }
        done = subprocess.run(command, timeout=600, **call)
        assert bool(done.returncode) == fails, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def copy(self, path: Path) -> Workspace:
        """The same, at another place, with every time stamp."""
        subprocess.run(["cp", "-a", self.path, path], check=True)
        return Workspace(path)

    def clone(self, path: Path) -> Workspace:
        """A fresh clone by git, with no results but those in git."""
        self.run("git", "clone", "-q", str(self.path), str(path))
        return Workspace(path)

    def planned(self, *targets: str) -> dict[str, int]:
        """How many jobs of each rule Snakemake would run."""
        return jobs(self.run("snakemake", "-n", *targets))

    def edit(self, **changes: Any) -> None:
        """Lay changes over its params.yaml."""
        file = self.path / "params.yaml"
        file.write_text(yaml.safe_dump(overlay(yaml.safe_load(file.read_text()), changes), sort_keys=False))

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file's text."""
        file = self.path / name
        text = file.read_text()
        assert old in text, f"{old!r} is not in {name}"
        file.write_text(text.replace(old, new, 1))

    def commit(self, message: str) -> None:
        """Commit results to DVC and its remote, and everything else to git."""
        self.run("dvc", "commit", "-f", "dvc.yaml")
        self.run("dvc", "push")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)


def environment() -> dict[str, str]:
    """This environment's programs, and nothing of the user's own settings."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "UDD", "COV", "PYTHONPATH"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    people = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return kept | people | {"PATH": path, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", "CUDA_VISIBLE_DEVICES": ""}


def jobs(text: str) -> dict[str, int]:
    """The jobs by rule in Snakemake's table of counts; empty if there is nothing to be done."""
    table = re.search(r"Job stats:\njob +count\n[- ]+\n((?:\S+ +\d+\n)+)", text)
    if table is None:
        assert "Nothing to be done" in text, text
        return {}
    counts = {name: int(count) for name, count in (line.split() for line in table[1].splitlines())}
    return {name: count for name, count in counts.items() if name not in ("all", "total")}


def after(request: int = 1, **computed: int) -> dict[str, int]:
    """Those jobs, and what collects and tabulates their records in `request` tables."""
    return computed | {"collect": 1, "collect_request": request, "tables": request, "pdf": 1}


def build(path: Path) -> Workspace:
    """A new workspace in which everything has been run, committed and pushed once."""
    path.mkdir()
    for name in COPIED:
        source, target = REPOSITORY / name, path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    (path / "params.yaml").write_text(yaml.safe_dump(tiny_params(), sort_keys=False))
    workspace = Workspace(path)
    workspace.run("git", "init", "-qb", "main")
    (path / "first-run.log").write_text(workspace.run("snakemake", "--cores", "2"))
    workspace.commit("everything")
    return workspace
