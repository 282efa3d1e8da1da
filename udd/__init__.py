"""UDD: dataset distillation via mining underutilized regions, reproducible from one command."""

__version__ = "0.1.0"
