"""Runs the product's commands: as processes of their own, forked from one that has them imported."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

from support import fork_server
from support.waiting import patient

_BIN = Path(sys.executable).parent
_READ_AT_IMPORT = ("PYTHON", "OTEL_", "FORCE_COLOR", "PY_COLORS", "TERMINAL_WIDTH", "_TYPER")
"""Variables, by how they begin, that Python or a library reads when it starts."""


class Process(Protocol):
    """A process that was started, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...


def program(name: str) -> str:
    """The path of a command."""
    return str(_BIN / name)


def inherited_environment() -> dict[str, str]:
    """The environment of this process, without its own settings of the product."""
    found = {name: value for name, value in os.environ.items() if "FLUSSO" not in name}
    return found | {"NO_COLOR": "1"}


def start(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    folder: Path | None,
    output: IO[bytes],
    errors: IO[bytes],
    *,
    fresh: bool = False,
) -> Process:
    """A process, in `folder` or where this one is.  `fresh` starts Python for it, as a user does: its memory is all its own."""
    words = [str(word) for word in command]
    if not fresh and _can_be_forked(words[0], environment):
        return _Fork(words, environment, folder or Path.cwd(), output, errors)
    return subprocess.Popen(
        words,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
    )


def run_command(
    folder: Path, environment: Mapping[str, str], *command: str, deadline: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """What `command` ends with in `folder`, whatever its exit code."""
    words = [program(command[0]), *command[1:]]
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = start(words, environment, folder, output, errors)
        try:
            code = process.wait(patient(deadline))
        except BaseException:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
        done = subprocess.CompletedProcess(words, code, _text(output), _text(errors))
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _can_be_forked(path: str, environment: Mapping[str, str]) -> bool:
    """Whether it is a command of the product, in an environment that its imports do not look at."""
    if Path(path).parent != _BIN or Path(path).name not in fork_server.COMMANDS:
        return False
    here = inherited_environment() | {"PYTHONFAULTHANDLER": environment.get("PYTHONFAULTHANDLER")}
    return all(
        environment.get(name) == here.get(name)
        for name in environment.keys() | here.keys()
        if name.startswith(_READ_AT_IMPORT)
    )


class _Fork:
    """A child of the fork server, which tells its end."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path,
        output: IO[bytes],
        errors: IO[bytes],
    ) -> None:
        order = fork_server.Order(
            command=command, environment=dict(environment), folder=str(folder)
        )
        self._told, theirs = socket.socketpair()
        message = json.dumps(order).encode()
        assert len(message) < fork_server.MAX_ORDER_BYTES
        with theirs:
            given = [theirs.fileno(), output.fileno(), errors.fileno()]
            socket.send_fds(_orders(), [message], given)
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        told = self._told.recv(fork_server.NUMBER.size)
        assert len(told) == fork_server.NUMBER.size, "the fork server has ended"
        number: int
        (number,) = fork_server.NUMBER.unpack(told)
        return number

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(self._number())
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
            select.select([self._told], [], [], left)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


@cache
def _orders() -> socket.socket:
    """The socket of the fork server, which is started for the first."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "support.fork_server"],
            env=inherited_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=theirs.fileno(),
        )
    atexit.register(_end, ours, server)
    return ours


def _end(orders: socket.socket, server: subprocess.Popen[bytes]) -> None:
    orders.close()
    server.wait()
