"""One server as a detached process: started, found again by its record, stopped.  A process that it did not start is not touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

_POLL = 0.05


@dataclass(frozen=True)
class Running:
    """A process that was started here.  `birth` tells it from a later one with the same id."""

    pid: int
    birth: str
    port: int


@dataclass(frozen=True)
class Launch:
    """How to start a server."""

    command: Sequence[str | Path]
    folder: Path
    user: int | None = None
    """The user id to run as, where that is not our own."""
    group: int | None = None
    environment: Mapping[str, str] | None = None
    output: Path | None = None
    """Where standard output goes, if not to the log."""


class Daemon:
    """The process of one server, whose record and log are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "process.json"
        self.log = folder / "log"
        self._child: subprocess.Popen[bytes] | None = None

    def running(self) -> Running | None:
        """The process, if it was started and is still there."""
        try:
            found = Running(**json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        if self._child is not None:
            self._child.poll()  # a child that ended is a zombie until it is waited for
        return found if _birth(found.pid) == found.birth else None

    def start(self, launch: Launch, port: int) -> Running:
        """Start the process in a session of its own, so that Ctrl-C at this terminal leaves it alone."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            log = files.enter_context(self.log.open("ab"))
            output = files.enter_context(launch.output.open("ab")) if launch.output else log
            self._child = subprocess.Popen(
                launch.command,
                cwd=launch.folder,
                env=launch.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
                user=launch.user,
                group=launch.group,
                extra_groups=None if launch.user is None else [],
            )
        running = Running(self._child.pid, _birth(self._child.pid) or "", port)
        self._record.write_text(json.dumps(asdict(running)))
        return running

    def stop(self, number: signal.Signals, grace: float) -> bool:
        """End the process, at the end of the grace period by force.  Gives whether there was one."""
        found = self.running()
        if found is not None:
            self._signal(found, number)
            if not self._gone(grace):
                self._signal(found, signal.SIGKILL)
                self._gone(grace)
        if self._child is not None:
            self._child.wait()
        self._record.unlink(missing_ok=True)
        return found is not None

    def tail(self, lines: int = 15) -> str:
        """The end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, found: Running, number: signal.Signals) -> None:
        try:
            os.kill(found.pid, number)
        except ProcessLookupError:
            return

    def _gone(self, within: float) -> bool:
        end = time.monotonic() + within
        while self.running() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL)
        return True


def _birth(pid: int) -> str | None:
    """When the process began, in a form that only serves to compare; None if it does not run."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _birth_by_ps(pid)
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, began = fields[0], fields[19]
    return None if state in "ZX" else began


def _birth_by_ps(pid: int) -> str | None:
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(told) < 2 or told[0].startswith("Z") else told[1].strip()
