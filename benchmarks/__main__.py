"""Measure, and print tables and JSON.

python -m benchmarks                              # everything
python -m benchmarks step network --device cuda --json step.json
"""

from __future__ import annotations

import importlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from benchmarks.settings import Row, Settings
from benchmarks.timing import say
from udd.command import Parser, add_common, main
from udd.device import setup
from udd.provenance import provenance

NAMES = ("step", "cached", "towards", "network", "ceiling", "evaluation", "memory")


def device_name(device: torch.device) -> str:
    """The device's name, as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def conditions(settings: Settings) -> dict[str, Any]:
    """What the figures hold for."""
    made = provenance("udd.methods.udd", settings.device) | {
        "device": device_name(settings.device),
        "threads": torch.get_num_threads(),
    }
    about: dict[str, Any] = {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
    }
    about["malloc"] = {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}
    return made | about | {"seconds": settings.seconds, "small": settings.small, "eager": settings.eager}


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    return tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3g", missingval="--")


def parser() -> Parser:
    """The command line."""
    made = Parser(prog="python -m benchmarks", description="Time the code against obvious code, on this device.")
    made.add_argument(
        "names", nargs="*", metavar="name", help=f"what to measure: {', '.join(NAMES)}; all, if none is named"
    )
    made.add_argument(
        "--seconds", type=float, default=60.0, help="for each timed way of doing a thing, its first call apart"
    )
    made.add_argument(
        "--json", type=Path, help="the file for the figures; without it they are printed after the tables"
    )
    made.add_argument("--small", action="store_true", help="toy sizes: whether it works, not how fast it is")
    made.add_argument("--eager", action="store_true", help="leave out what is compiled")
    add_common(made)
    return made


def run(argv: list[str] | None = None) -> None:
    """Run the benchmarks that the command line names; each one's figures are written when it is done."""
    args = parser().parse_args(argv)
    if unknown := set(args.names) - set(NAMES):
        parser().error(f"{', '.join(sorted(unknown))}: expected {', '.join(NAMES)}")
    settings = Settings(setup(args.device, args.threads), args.seconds, args.small, args.eager, args.threads)
    found: dict[str, Any] = {"conditions": conditions(settings), "tables": {}}
    for name in args.names or NAMES:
        say(f"{name} ...")
        tables = importlib.import_module(f"benchmarks.{name}").run(settings)
        for title, rows in tables.items():
            print(f"\n{title}\n\n{table(rows)}", flush=True)
        found["tables"] |= tables
        if args.json:
            args.json.write_text(json.dumps(found, indent=1))
    if not args.json:
        print(f"\n{json.dumps(found, indent=1)}")


if __name__ == "__main__":
    main(run)
