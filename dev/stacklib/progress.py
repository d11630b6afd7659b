"""Tells what is going on: on a terminal in one line that keeps changing, elsewhere line by line."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO


class Step:
    """One thing that takes a while.  A context manager: it prints how it ended and how long it took."""

    def __init__(self, label: str, out: TextIO | None = None) -> None:
        self._label = label
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._began = time.monotonic()
        self._ending = "done"

    def __enter__(self) -> Step:
        self._show("..." if self._live else "...\n")
        return self

    def tell(self, detail: str) -> None:
        """Show a detail that will be out of date soon."""
        if self._live:
            self._show(f"{detail}  {self._elapsed()}")

    def end_with(self, ending: str) -> None:
        """Say this instead of "done"."""
        self._ending = ending

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ending = self._ending if kind is None else "failed"
        self._show(f"{ending}  ({self._elapsed()})\n")

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s"

    def _show(self, text: str) -> None:
        start = "\r\x1b[2K" if self._live else ""
        self._out.write(f"{start}  {self._label:<12} {text}")
        self._out.flush()
