"""The command `udd VERB ...`: one table of verbs. Each verb's `run(argv)` lives in the room of its concern, and is
imported when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import partial

from udd import __version__
from udd.command import main

UNHEARD = 141  # 128 + SIGPIPE

# verb: (module, what it does)
VERBS = {
    "demo": ("udd.demo", "The paper in miniature, in a clone of the repository: no download, CPU, minutes."),
    "data": ("udd.data", "Pack a data set and write its manifest."),
    "data check": ("udd.checking", "Look through your own images before anything is spent on them."),
    "split": (
        "udd.splitting",
        "A data set of another's training images alone, some of which stand for test images: to choose anything on.",
    ),
    "distill": (
        "udd.own",
        "Distil a folder, an npz, a data set by name, or a cell of params.yaml; goes on from its checkpoint.",
    ),
    "show": ("udd.reports.show", "Draw a set's gallery, write its page, or print what it says of itself."),
    "coresets": ("udd.methods.times", "Choose real images instead."),
    "cache": ("udd.runs.cache", "Train networks and keep them with their real gradients, for `networks: cached`."),
    "evaluate": (
        "udd.judge",
        "Train fresh networks on any set, ours or another's, beside random images; or a cell of params.yaml.",
    ),
    "compare": ("udd.compare", "The paired difference of two sets over the same networks."),
    "import": ("udd.importing", "Read a set from another's file: IDC, DC, MTT, FRePo, KIP, DD-Ranking, folders."),
    "export": ("udd.exporting", "Write a set in another's format."),
    "reference": ("udd.evaluation.reference", "Train the networks by which mUE and the figures look."),
    "utilization": ("udd.evaluation.utilization", "Measure a set's mUE."),
    "collect": ("udd.reports.collect", "Collect all planned records into CSV and metrics."),
    "tables": ("udd.reports.tables", "Write the paper's tables with what was measured."),
    "pdf": ("udd.reports.pdf", "One PDF of all tables."),
    "figures": ("udd.reports.figures.draw", "Draw one figure."),
    "plan": ("udd.config.asked", "Print a cell's resolved configuration, or all cells."),
    "estimate": ("udd.costs.report", "What it will cost: FLOP, time on this device, peak memory."),
    "records": ("udd.persistence", "Note down Snakemake's records of a folder of results, for git."),
    "pull": ("udd.pull", "Bring released results that are absent here; what jobs made stays."),
    "check-lock": ("udd.workflow.records", "Ask whether all that dvc.lock lists is here (dvc.yaml does so first)."),
    "completion": ("udd.completion", "Print what bash, zsh or fish needs to complete verbs and options."),
}


def usage() -> str:
    """The table of verbs."""
    lines = (f"  {verb:<12} {about}" for verb, (_, about) in VERBS.items())
    return "\n".join(
        [
            "udd " + __version__ + ": dataset distillation that anyone can reproduce",
            "",
            "usage: udd VERB [options]",
            "",
            *lines,
            "",
            "udd VERB --help says more.",
        ]
    )


def run(argv: list[str] | None = None) -> None:
    """Do what the command line asks. Who reads it may go away before all is written (`udd | head -1`): that is no
    error, and exits with status 141, as what SIGPIPE ends."""
    words = sys.argv[1:] if argv is None else argv
    try:
        main(partial(heard, partial(answer, words)))
    finally:  # what is left to be written, also of a verb that exits
        heard(partial(print, end="", flush=True))


def heard(act: Callable[[], None]) -> None:
    """Act; exit quietly where nobody reads what it writes."""
    try:
        act()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes what is left when it ends
        sys.exit(UNHEARD)


def answer(words: list[str]) -> None:
    """Do what these words ask. A verb is imported here, below `main`: Ctrl-C ends that quietly, too."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
    elif words[0] in ("--version", "version"):
        print(__version__)
    elif not (verb := next((each for each in (" ".join(words[:2]), words[0]) if each in VERBS), "")):
        from udd.config.schema_errors import suggestion

        print(f"error: udd {words[0]}: no such verb; {suggestion(words[0], list(VERBS))}", file=sys.stderr)
        sys.exit(2)
    else:
        importlib.import_module(VERBS[verb][0]).run(words[len(verb.split()) :])


if __name__ == "__main__":
    run()
