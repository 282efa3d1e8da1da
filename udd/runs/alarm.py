"""Whether a job was asked to end early: by a signal, or by its time limit."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any


class Alarm:
    """Whether the run was asked to end: by SIGTERM, SIGINT, or its time limit. Listens while its block runs."""

    def __init__(self, until: float):
        self.until, self.asked = until, ""

    def __enter__(self) -> Alarm:
        listens = threading.current_thread() is threading.main_thread()  # Python lets no other thread
        self.before = {number: signal.signal(number, self.ask) for number in (signal.SIGTERM, signal.SIGINT) if listens}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def ask(self, number: int, _frame: Any) -> None:
        """Remember a signal; the loop ends after the step at hand."""
        self.asked = signal.Signals(number).name

    def reason(self) -> str:
        """Why to end now, or an empty text."""
        return self.asked or ("time limit" if time.monotonic() >= self.until else "")
