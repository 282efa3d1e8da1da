"""`udd demo`: the paper in miniature, by the workflow of experiments/demo.yaml; `make demo` runs it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from udd.command import Parser, count
from udd.errors import UserError

RESULTS = "results/demo"
FIRST = ("tables/main.md", "figures/gallery-digits-ipc1.png", "pages/digits/ipc10/udd/seed0.html")  # what to open first


def parser() -> Parser:
    """The command line of `udd demo`."""
    about = (
        "The paper in miniature on scikit-learn's digits: no download, CPU, minutes. What follows -- goes to snakemake."
    )
    made = Parser(prog="udd demo", description=about)
    made.add_argument("--cores", type=count, default=2, help="how many jobs run at a time")
    made.add_argument("-n", "--dry-run", action="store_true", help="the plan alone")
    made.add_argument(
        "others", nargs="*", metavar="OPTION", help="after --: an option of snakemake's, as udd demo -- --quiet"
    )
    return made


def repository(places: tuple[Path, ...]) -> Path:
    """The first of `places` that has the workflow. Raises UserError if none has."""
    for place in places:
        if (place / "Snakefile").is_file() and (place / "experiments" / "demo.yaml").is_file():
            return place
    raise UserError(
        "no Snakefile and experiments/demo.yaml here: the demo is a workflow, which a wheel does not hold; run udd "
        "demo in a clone of the repository"
    )


def run(argv: list[str] | None = None) -> None:
    """Run the demo in the repository, and name what to open first."""
    args = parser().parse_args(argv)
    root = repository((Path.cwd(), Path(__file__).resolve().parents[1]))
    if importlib.util.find_spec("snakemake") is None:
        raise UserError("no snakemake here; pip install -c constraints.txt -e '.[workflow]' in the repository")
    others = [*args.others, *(["-n"] if args.dry_run else [])]
    words = ["--cores", str(args.cores), "--directory", RESULTS, "--configfile", "experiments/demo.yaml"]
    status = subprocess.run(
        [sys.executable, "-m", "snakemake", *others, *words], cwd=root, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ).returncode
    if status:
        sys.exit(1)
    there = [path for path in (root / RESULTS / name for name in FIRST) if path.exists()]
    if there:
        print("\n".join(["open first:", *(f"  {path}" for path in there)]))
