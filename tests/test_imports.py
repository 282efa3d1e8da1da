"""`udd` stands alone: no module of it imports Snakemake, DVC or what talks to a network."""

import subprocess
import sys

from tiny import ROOT

SCRIPT = """
import importlib, pkgutil, sys
import udd
blocked = ("snakemake", "dvc", "requests", "urllib3", "httpx")
sys.modules |= dict.fromkeys(blocked)  # None: an import of it raises ImportError
names = [module.name for module in pkgutil.walk_packages(udd.__path__, "udd.") if not module.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_is_imported_without_snakemake_dvc_and_network():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60


def test_distilling_and_evaluating_load_nothing_that_draws():
    """A machine with a GPU may have torch and little else."""
    script = (
        "import sys, udd.own, udd.judge, udd.runs.distilling; print({'matplotlib', 'seaborn'} & {name.split('.')[0] "
        "for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
