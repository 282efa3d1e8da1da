"""Which GPU a run takes where there are several: the first that no other run of this user holds.

Held means locked until the process ends, however it ends; a process that asks again gets the one it has. A GPU is known
by its UUID, since its number depends on CUDA_VISIBLE_DEVICES. If all are held, runs share them, a second one on each
before a third on any: who allows more jobs at a time than there are GPUs wants that.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from itertools import count
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

from udd.errors import Busy, UsageError, UserError
from udd.files import lock

if TYPE_CHECKING:
    import torch

HELD = ExitStack()  # never closed: what this process holds ends with it
MINE: list[str] = []  # the UUIDs of these GPUs


def folder() -> Path:
    """Where the locks lie. Raises UserError if it is another user's: their links could make us overwrite any file."""
    path = Path(tempfile.gettempdir(), f"udd-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    owner = path.lstat().st_uid
    if owner != os.getuid():
        raise UserError(f"{path}: owned by user {owner}, expected {os.getuid()}; set TMPDIR to a folder of your own")
    return path


def hold(path: Path) -> bool:
    """Take a lock for as long as this process lives; False if another has it."""
    try:
        HELD.enter_context(lock(path))
    except Busy:
        return False
    return True


def reserve(gpus: dict[int, str]) -> int:
    """The number of one of `gpus` (number: UUID), held from now on: one that this process has; else the first place
    that is free, the first places of all GPUs coming first."""
    had = (number for number, uuid in gpus.items() if uuid in MINE)
    if (number := next(had, None)) is None:
        locks = folder()
        places = ((number, locks / f"{uuid}-{place}") for place in count() for number, uuid in gpus.items())
        number = next(number for number, path in places if hold(path))
        MINE.append(gpus[number])
    return number


def choose(wanted: torch.device) -> torch.device:
    """Hold the GPU that `wanted` names, else one that is free, and make it torch's current one. Raises UserError if
    there is none of that number."""
    import torch

    found = torch.cuda.device_count()
    numbers = range(found) if wanted.index is None else [wanted.index]
    if max(numbers) >= found:
        raise UserError(
            f"--device {wanted}: found {found} GPUs, expected at most cuda:{found - 1}; name another, or cuda for a "
            "free one"
        )
    number = reserve({number: str(torch.cuda.get_device_properties(number).uuid) for number in numbers})
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def setup(name: str = "auto", threads: int = 0) -> torch.device:
    """Set the threads and return the torch.device of that name, a GPU held until the process ends. Raises
    UserError if it is not there."""
    import torch

    if not isinstance(threads, Integral) or isinstance(threads, bool) or threads < 0:
        raise UserError(f"threads: found {threads!r}, expected a whole number, 0 or more; 0 keeps torch's own choice")
    if threads > 0:
        torch.set_num_threads(int(threads))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: not a device; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: this machine has no usable CUDA device; use --device cpu")
    return choose(device) if device.type == "cuda" else device
