"""UDD: dataset distillation via mining underutilized regions, reproducible from one command."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: waiting threads must not spin, jobs share the cores

__version__ = "0.1.0"
