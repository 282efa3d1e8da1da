"""Jobs on the tiny npz data set, called as the command line calls them; how they end, and
whether two sets are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import write_npz
from prepared import manifest_of
from tiny import config

from udd.command import main
from udd.errors import Stopped
from udd.runs import cache, distilling
from udd.synthetic import sets as synthetic

Config = dict[str, Any]


class Bench:
    """A folder with the data set `tiny` (three classes of four images) and what jobs make of it."""

    def __init__(self, folder: Path):
        self.folder = folder
        write_npz(folder / "tiny.npz")
        self.manifest = manifest_of(folder, config()["dataset"])

    def options(self, config: Any) -> list[str]:
        """What every job's command line begins with."""
        return [
            "--config",
            json.dumps(config),
            "--manifest",
            str(self.manifest),
            "--root",
            str(self.folder),
            "--device",
            "cpu",
        ]

    def distil(self, config: Config, out: str, *more: str | Path) -> None:
        """Make OUT.safetensors and its curve."""
        place = [
            "--out",
            str(self.folder / f"{out}.safetensors"),
            "--checkpoints",
            str(self.folder / "checkpoints" / out),
        ]
        distilling.run([*self.options(config), *place, *map(str, more)])

    def stop(self, config: Config, out: str, *more: str | Path) -> None:
        """The same, ended after one step at a checkpoint."""
        with pytest.raises(Stopped, match="time limit"):
            self.distil(config, out, "--time-limit", "0", *more)

    def cache(self, config: Config, name: str = "cache", *more: str) -> Path:
        """The folder of a cache's networks."""
        cache.run([*self.options(config), "--out", str(self.folder / name), *more])
        return self.folder / name

    def same(self, one: str, two: str) -> bool:
        """Whether two sets are the same bit for bit, and their curves up to the time that things took."""
        sets = [synthetic.load(self.folder / f"{name}.safetensors") for name in (one, two)]
        curves = [
            [line.split(",")[:7] for line in (self.folder / f"{name}.csv").read_text().splitlines()]
            for name in (one, two)
        ]
        return (
            all(torch.equal(getattr(sets[0], name), getattr(sets[1], name)) for name in synthetic.NAMES)
            and curves[0] == curves[1]
        )


def same_sets(folder: Path, one: str, two: str) -> None:
    """The two sets are the same bit for bit, and so are their curves up to the time that things took."""
    a, b = (synthetic.load(folder / f"{name}.safetensors") for name in (one, two))
    assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in synthetic.NAMES)
    assert a.metadata["config"] == b.metadata["config"]
    curves = [
        [line.split(",")[:7] for line in (folder / f"{name}.csv").read_text().splitlines()] for name in (one, two)
    ]
    assert curves[0] == curves[1]


def in_order(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def refusal(arguments: list[str], capsys, status: int = 1) -> str:
    """The one line on which the command ends."""
    with pytest.raises(SystemExit) as ended:
        main(lambda: distilling.run(arguments))
    assert ended.value.code == status
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


def stopped_once(arguments: list[str]) -> None:
    with pytest.raises(Stopped):
        distilling.run([*arguments, "--time-limit", "0"])
