"""Free ports, and who has the one that is not free."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack
from pathlib import Path

from stacklib.problem import Problem

HOST = "127.0.0.1"
_LISTEN = "0A"
_BELOW_EPHEMERAL = range(20_000, 32_768)
"""Linux gives outgoing connections ports from 32768 on, others later ones."""


def free_ports(count: int) -> list[int]:
    """Different ports on which no process listens, and that no outgoing connection is given meanwhile."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(_somewhere()) for _ in range(count)]
        return [int(item.getsockname()[1]) for item in sockets]


def _somewhere() -> socket.socket:
    """Bound to a random port below those of outgoing connections: a server takes seconds to bind its own."""
    while True:
        try:
            return _bound(random.choice(_BELOW_EPHEMERAL))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise


def require_free(service: str, port: int, variable: str) -> None:
    """Fail, naming the port, who listens there and the variable that chooses another one."""
    try:
        _bound(port).close()
    except OSError as error:
        if error.errno == errno.EACCES:
            raise Problem(
                f"Port {port} for {service} needs more privileges. Set {variable} to a port above 1023."
            ) from error
        raise Problem(
            f"Port {port}, which {service} would use, is taken: {_owner(port)} listens there.\n"
            f"  Stop that, or choose another port: {variable}={port + 10000} (in the environment)."
        ) from error


def accepts(port: int) -> bool:
    """Whether a process accepts connections on `port`."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        # Two may bind with SO_REUSEADDR; only one may listen.
        found.listen(1)
    except OSError:
        found.close()
        raise
    return found


def _owner(port: int) -> str:
    """The listener's name and process id, as far as /proc tells this user."""
    inodes = _listening(port)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            links = {str(link.readlink()) for link in (folder / "fd").iterdir()}
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue  # it is gone, or another user's
        if links & inodes:
            return f"{name} (process {folder.name})"
    return "another program"


def _listening(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
