"""UDD: dataset distillation via mining underutilized regions, reproducible from one command.

import udd
data = udd.dataset("cifar10")                   # or a folder of class folders, an npz, four arrays
made = udd.distill(data, method="udd", ipc=10)  # any key of params.yaml's `distill` as keyword
print(udd.evaluate(made, data, networks=5))
made.save("cifar10-ipc10.safetensors")
"""

import importlib
import os
from typing import Any

# Before torch is imported: waiting threads must not spin, jobs share the cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0"
INTERFACE = (
    {"dataset": "sources"}
    | dict.fromkeys(("distill", "load"), "interface")
    | {"evaluate": "accuracy"}
    | dict.fromkeys(("as_set", "export", "read"), "exchange")
    | dict.fromkeys(("budget", "short"), "schedules")
)
__all__ = ["as_set", "budget", "dataset", "distill", "evaluate", "export", "load", "read", "short"]


def __getattr__(name: str) -> Any:
    """The interface is imported when it is used: `udd --help` needs no torch."""
    if name not in INTERFACE:
        raise AttributeError(f"module 'udd' has no attribute {name!r}")
    return getattr(importlib.import_module(f"udd.{INTERFACE[name]}"), name)
