"""What pip installs works outside the repository: schema, quoted figures and all are in the wheel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import ROOT

FIVE_LINES = """
import udd
data = udd.dataset("flowers")
small = dict(outer=1, inner=2, width=4, net_images=4, batch_real=4, net_batch=4)
made = udd.distill(data, method="udd", ipc=1, checkpoint="run.ckpt", **small)
print(udd.evaluate(made, data, networks=2, width=4, epochs=2))
made.save("flowers.safetensors"); made.show().savefig("flowers.png")
print(udd.__file__)
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory) -> Path:
    """A folder with the installed package in `site`, and a folder of images."""
    folder = tmp_path_factory.mktemp("outside")
    quiet = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    # What an earlier build left must not join
    shutil.copytree(ROOT / "udd", folder / "source" / "udd", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder / "source")
    subprocess.run(
        [*quiet, "install", "--no-deps", "--target", str(folder / "site"), str(folder / "source")], check=True
    )
    source = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("rose", "tulip"):
            (folder / "flowers" / part / name).mkdir(parents=True)
            for number in range(4):
                Image.fromarray(source.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
                    folder / "flowers" / part / name / f"{number}.png"
                )
    return folder


def run(outside: Path, *words: str) -> str:
    """What Python prints there."""
    found = subprocess.run(
        [sys.executable, *words], cwd=outside, env=os.environ | {"PYTHONPATH": "site"}, capture_output=True, text=True
    )
    assert not found.returncode, found.stderr
    return found.stdout


def test_the_five_lines_run(outside):
    *said, place = run(outside, "-c", FIVE_LINES).splitlines()
    assert place.startswith(str(outside / "site")) and "n = 2" in said[-1]
    assert (outside / "flowers.safetensors").exists() and (outside / "flowers.png").stat().st_size > 1000


def test_the_command_is_a_table_of_verbs(outside):
    said = run(outside, "-m", "udd", "--help")
    assert all(
        verb in said
        for verb in ("demo", "data", "distill", "evaluate", "show", "plan", "estimate", "tables", "completion")
    )
    assert (outside / "site" / "bin" / "udd").exists()


def test_a_shell_completes_verbs_and_options(outside):
    said = run(outside, "-m", "udd", "completion", "bash")
    assert "--ipc" in said and "estimate" in said


def test_the_demo_asks_for_a_clone(outside):
    found = subprocess.run(
        [sys.executable, "-m", "udd", "demo"],
        cwd=outside,
        env=os.environ | {"PYTHONPATH": "site"},
        capture_output=True,
        text=True,
    )
    assert (
        found.returncode == 1
        and found.stderr.startswith("error: no Snakefile and experiments/demo.yaml here")
        and found.stderr.count("\n") == 1
    )
