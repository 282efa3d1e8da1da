"""What every `python -m udd.<module>` shares: one-line errors, exit codes, device and threads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from udd.slurm import queue_again

STOPPED = 75  # EX_TEMPFAIL: ended at a checkpoint; the same command goes on from there


class UserError(Exception):
    """Something the user can mend: one line that names the file or key, what was found, what was expected, what to do."""


class Busy(UserError):
    """Another process is at the same output; once it has ended this one can go on."""


class Stopped(Exception):
    """The run ended early at a checkpoint (time limit or SIGTERM); nothing is lost. `advanced`: the checkpoint is further on than the start."""

    def __init__(self, message: str, advanced: bool = True):
        super().__init__(message)
        self.advanced = advanced


def main(run: Callable[[list[str] | None], None]) -> None:
    """Run a module's entry. Exit code 2 with one line on stderr for a user's error, a full disk or GPU, 75 when stopped at a checkpoint."""
    try:
        run(None)
    except Stopped as stopped:
        end(str(stopped), stopped.advanced and queue_again())
    except Busy as busy:
        if not queue_again():
            fail(busy)
        end(str(busy), True)
    except (UserError, OSError) as error:
        fail(error)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported here
            raise
        fail(error, "the device has too little free memory: ")


def end(message: str, queued: bool) -> NoReturn:
    """Exit with the code for a run that can go on. Who listens may have ended by the same signal, so a message that nobody hears is no error."""
    with suppress(OSError):
        print(f"{message}; queued again by Slurm" if queued else message, file=sys.stderr, flush=True)
    sys.exit(STOPPED)


def fail(error: Exception, what: str = "") -> NoReturn:
    """Exit with one line for the user."""
    print(f"error: {what}{one_line(error)}", file=sys.stderr)
    sys.exit(2)


def one_line(error: Exception) -> str:
    """The message of `error` without line breaks."""
    return " ".join(str(error).split())


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every computing module takes."""
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda (a GPU that no other run holds) or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 keeps torch's own choice")


def setup(args: argparse.Namespace):
    """Set the threads and return the torch.device that `--device` names, a GPU held until the process ends. Raises UserError if it is not there."""
    import torch

    from udd.gpus import choose

    if args.threads > 0:
        torch.set_num_threads(args.threads)
    name = args.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: not a device; use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: this machine has no usable CUDA device; use --device cpu")
    return choose(device) if device.type == "cuda" else device
