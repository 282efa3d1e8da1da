"""What every verb of the command `udd` shares: one-line errors, exit codes, the options for device and threads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from udd.errors import Stopped, UserError

STOPPED = 75  # EX_TEMPFAIL: ended at a checkpoint; the same command goes on from there


def main(run: Callable[[], None]) -> None:
    """Run a verb. Exit code 1 with one line on stderr for a user's error, a full disk or GPU, 75 when stopped at a checkpoint.

    Bad usage is 2, as argparse has it."""
    try:
        run()
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(STOPPED)
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(1)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported here
            raise
        print(f"error: the device has too little free memory: {one_line(error)}", file=sys.stderr)
        sys.exit(1)


def one_line(error: Exception) -> str:
    """The message of `error` without line breaks."""
    return " ".join(str(error).split())


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every computing module takes."""
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda (a GPU that no other run holds) or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 keeps torch's own choice")
