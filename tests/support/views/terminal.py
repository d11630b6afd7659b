"""Runs a command on a terminal of its own, as an operator sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.commands import program
from support.waiting import until

_STYLE = re.compile(r"\x1b\[[0-9;]*m|\r")
_MOVE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_GRACE = 30.0


class Session:
    """One command that runs, and what it has written to its terminal."""

    def __init__(self, process: subprocess.Popen[bytes], main: int) -> None:
        self._process = process
        self._main = main
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All of it so far, one screen after the other, without control sequences."""
        plain = _STYLE.sub("", self._written.decode(errors="replace"))
        return _MOVE.sub("\n", plain)

    def interrupt(self) -> int:
        """Ctrl-C; gives the exit code."""
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(_GRACE)
        self._reader.join(_GRACE)
        return code

    def await_text(self, text: str, times: int, deadline: float) -> None:
        """Wait until `text` has been written so many times."""
        until(f"{times} x {text!r}", lambda: self.text.count(text) >= times, deadline)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        # A terminal whose other side was closed is an error of input.
        try:
            while chunk := os.read(self._main, 65_536):
                self._written += chunk
        except OSError:
            return


@contextmanager
def on_terminal(
    folder: Path, environment: Mapping[str, str], *command: str, columns: int = 80, rows: int = 40
) -> Iterator[Session]:
    """The command on a terminal of that size, until the block ends."""
    main, other = pty.openpty()
    try:
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            [program(command[0]), *command[1:]],
            cwd=folder,
            env={**environment, "TERM": "xterm"},
            stdin=other,
            stdout=other,
            stderr=other,
        )
        os.close(other)
        session = Session(process, main)
        try:
            yield session
        finally:
            session.close()
    finally:
        os.close(main)
