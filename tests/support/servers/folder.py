"""Where servers of tests keep their data: in memory where there is room, on disk otherwise."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 8 * 1024**3
"""Bytes: a run takes one or two GB of it.  Containers have 64 MB there."""


@contextmanager
def server_folder() -> Iterator[Path]:
    """An empty folder that Postgres' own user can enter, gone at the end.

    In memory, files cost no writes, and none of what file systems do for each file that comes and goes: ext4 without a
    journal looks through all inodes that were freed lately for each file that it makes.
    """
    with tempfile.TemporaryDirectory(
        prefix="flusso-test-", dir=_place(), ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _place() -> Path | None:
    """None for the usual one."""
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(_MEMORY)
    room = min(found.f_bavail * found.f_frsize, _memory_available())
    return _MEMORY if room >= _ROOM else None


def _memory_available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return 0
