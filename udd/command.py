"""What every verb of the command `udd` shares: one-line errors, exit codes, the options for device and threads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from udd.errors import Busy, Stopped, UsageError, UserError
from udd.files import check_writable
from udd.slurm import queue_again

STOPPED = 75  # EX_TEMPFAIL: ended at a checkpoint; the same command goes on from there
LOOKED = 4096  # bytes, among which is what a file of ours is known by
INTERRUPTED = 130  # 128 + SIGINT, where nothing listens for it


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that ends with what an option is where it is not given, if that is anything."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = "by default" in (action.help or "")
        nothing = action.default is None or action.default is False or action.default in ("", [])
        return action.help if told or nothing else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """A command line whose bad usage is one line and exit status 2, and whose help names defaults."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": Defaults} | options)

    def error(self, message: str) -> NoReturn:
        """Exit with what is wrong, and where help is."""
        self.exit(2, f"error: {self.prog}: {one_line(message)}; {self.prog} --help says more\n")


def main(run: Callable[[], None]) -> None:
    """Run a verb. Exit code 1 with one line on stderr for a user's error, a full disk or GPU, 75 when
    stopped at a checkpoint.

    Bad usage is 2 (Parser, UsageError).
    """
    try:
        run()
    except Stopped as stopped:
        end(str(stopped), stopped.advanced and queue_again())
    except Busy as busy:
        if not queue_again():
            fail(busy)
        end(str(busy), True)
    except UsageError as error:
        fail(error, status=2)
    except (UserError, OSError) as error:
        fail(error)
    except KeyboardInterrupt:
        end("interrupted", False, INTERRUPTED)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported here
            raise
        fail(error, "the device has too little free memory: ")


def end(message: str, queued: bool, status: int = STOPPED) -> NoReturn:
    """Exit with the code for a run that can go on, or another. Who listens may have ended by the same signal, so a
    message that nobody hears is no error."""
    with suppress(OSError):
        print(f"{message}; queued again by Slurm" if queued else message, file=sys.stderr, flush=True)
    sys.exit(status)


def fail(error: Exception, what: str = "", status: int = 1) -> NoReturn:
    """Exit with one line for the user."""
    print(f"error: {what}{one_line(error)}", file=sys.stderr)
    sys.exit(status)


def one_line(error: Exception | str) -> str:
    """A message without line breaks."""
    return " ".join(str(error).split())


def whole(word: str) -> int:
    """A whole number, 0 or more."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"found {word}, expected a whole number, 0 or more")
    return int(word)


def count(word: str) -> int:
    """A whole number, 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"found {word}, expected a whole number, 1 or more")
    return int(word)


def amount(word: str) -> float:
    """A number above 0."""
    try:
        found = float(word)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"found {word}, expected a number above 0")
    return found


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every computing module takes."""
    parser.add_argument(
        "--device",
        default="auto",
        help="auto (a GPU if there is one), cpu, cuda (a GPU that no other run holds) or cuda:N",
    )
    parser.add_argument("--threads", type=whole, default=0, help="CPU threads; 0 keeps torch's own choice")


def names_cell(argv: Sequence[str], options: Collection[str]) -> bool:
    """Whether a command line names a cell of params.yaml: it begins with an option, and has one of those that only a
    cell takes."""
    found = {word.split("=")[0] for word in argv if word.startswith("--")}
    return bool(argv) and argv[0].startswith("-") and not found.isdisjoint(options)


def check_out(option: str, out: Path, *read: Path, ending: str = "") -> None:
    """Raise UserError before any work where an output is a folder, is one of the files that are read and would be
    lost, has another ending, or cannot be written there."""
    if out.is_dir():
        raise UserError(f"{option}: {out} is a folder; name a file in it")
    if any(out.resolve() == each.resolve() for each in read):
        raise UserError(f"{option}: {out} is read here, and would be lost; give another name")
    if not out.name.endswith(ending):
        raise UserError(f"{option}: found {out}, expected a name that ends in {ending}")
    check_writable(out.parent)


def marked(mark: bytes, path: Path) -> bool:
    """Whether a file is there and has this mark among its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark in file.read(LOOKED)


def refuse_else(option: str, out: Path, what: str, fits: Callable[[Path], bool]) -> None:
    """Raise UserError if what stands where a file would go is none of its kind: `what`, if it `fits`."""
    if out.exists() and not fits(out):
        raise UserError(
            f"{option}: {out} stands there already and is not {what}, but would be replaced; move it, or give another "
            "name"
        )


def add_pixels(made: Parser) -> None:
    """The options that say how one's own images become pixels."""
    made.add_argument(
        "--size", type=count, help="side of the images, in pixels (folders of images of several sizes need it)"
    )
    made.add_argument(
        "--depth", type=int, choices=[16], help="16: the images have 16 bits a channel, and are scaled by their range"
    )
    made.add_argument("--no-flip", action="store_true", help="mirror no image in augmentation: digits, letters, signs")


def pixels_asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """What these options say, among others, as keys of `udd.dataset`."""
    found = {key: options[key] for key in ("size", "depth") if options[key] is not None}
    return found | ({"flip": False} if options["no_flip"] else {})
