"""Take a finished result from the shelf, if it lies there: what a job asks first, before it spends seconds on loading torch.

    python -m udd.runs.take --module udd.evaluation.accuracy --config JSON --inputs MANIFEST.json SET.safetensors --shelf results/shelf --out RECORD.json

The exit code is 1 if it does not lie there, or a note of why it could not be made does; then the job itself has to see to it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from udd.cli import main
from udd.runs.shelf import inputs_digest, place, take


def run(argv: list[str] | None = None) -> None:
    """Take the result that the command line names, or exit with 1."""
    parser = argparse.ArgumentParser(
        prog="python -m udd.runs.take", description="Take a finished result from the shelf; exit with 1 if it is not there."
    )
    parser.add_argument("--module", required=True, help="whose result it is: udd.evaluation.accuracy or udd.methods.udd")
    parser.add_argument("--config", required=True, help="its resolved configuration, as JSON")
    parser.add_argument("--inputs", type=Path, nargs="+", required=True, help="what it is made of: the manifest, and the set it measures")
    parser.add_argument("--shelf", type=Path, required=True)
    parser.add_argument("--out", type=Path, nargs="+", required=True, help="where it is wanted; a set's curve comes second")
    args = parser.parse_args(argv)
    config, inputs = json.loads(args.config), inputs_digest(args.inputs)
    pairs = [(place(args.shelf, config, args.module, inputs, out.suffix), out) for out in args.out]
    if pairs[0][0].with_suffix(".failed").exists() or not all(lying.exists() for lying, _ in pairs):
        sys.exit(1)
    for lying, out in reversed(pairs):  # the curve first: a set that is in its place is finished
        take(lying, out)
    print(f"{args.out[0]}: taken from {args.shelf}", file=sys.stderr)


if __name__ == "__main__":
    main(run)
