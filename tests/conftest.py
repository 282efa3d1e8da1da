"""What all tests share: one thread each, a distillation's command line on tiny data, a workspace of the workflow."""

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import write_npz
from prepared import manifest_of
from tiny import config
from workspace import Workspace, build

from udd.costs import own

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def counted_anew(monkeypatch) -> None:
    """A step's cost is counted by the code at hand, and leaves nothing in the user's cache."""
    monkeypatch.setattr(own, "kept", lambda _: {})
    monkeypatch.setattr(own, "keep", lambda *_: None)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """The data set `tiny` (three classes of four images): manifest and root."""
    root = tmp_path_factory.mktemp("raw")
    write_npz(root / "tiny.npz")
    return manifest_of(root, config()["dataset"]), root


@pytest.fixture
def argv(made, tmp_path) -> Iterator[Callable[..., list[str]]]:
    """The command line of `udd distill` for one or more configurations; outputs are OUT.safetensors and OUT.csv."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def compose(configs: Any = None, out: str = "set", *more: str) -> list[str]:
        count = len(configs) if isinstance(configs, list) else 1
        outs = [str(tmp_path / f"{out}{i or ''}.safetensors") for i in range(count)]
        files = [
            "--manifest",
            str(made[0]),
            "--root",
            str(made[1]),
            "--checkpoints",
            str(tmp_path / "checkpoints" / out),
        ]
        return ["--config", json.dumps(configs or config()), *files, "--out", *outs, "--device", "cpu", *more]

    yield compose
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One workspace for all workers, in which everything has run once. Not to be changed: copy it."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    path = root / "workspace"
    with open(root / "workspace.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return Workspace(path) if (path / "first-run.log").exists() else build(path)


@pytest.fixture
def workspace(built: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return built.copy(tmp_path / "workspace")
