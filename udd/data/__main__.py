"""`python -m udd.data`."""

from udd.cli import main
from udd.data import run

main(run)
