"""One request over TCP, for asking a server whether it is ready."""

from __future__ import annotations

import socket

from stacklib.ports import HOST

_TIMEOUT = 2.0


def ask(port: int, request: bytes) -> bytes:
    """The beginning of the answer; empty if there is none in time."""
    try:
        with socket.create_connection((HOST, port), timeout=_TIMEOUT) as connection:
            connection.sendall(request)
            return connection.recv(4096)
    except OSError:
        return b""
