"""What clients may take of the HTTP surfaces: connections, time, tries."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from flusso_shared.process.connection_limits import Limits
from flusso_shared.process.http import Credentials, HttpServer, bind, private_app
from flusso_shared.process.password_tries import Tries
from flusso_shared.status import Status

LIMITS = Limits(connections=20, idle=0.5, request=5.0)
SECRET = "secret"


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    listener = bind("127.0.0.1:0", "private")
    app = private_app(Status(), Credentials("me", SECRET))
    server = HttpServer(app, listener, "private", LIMITS)
    server.start()
    yield listener.getsockname()[:2]
    server.stop()


def closed(client: socket.socket) -> bool:
    """Whether the server closes the connection."""
    client.settimeout(10)
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("sent", [b"", b"GET /indexes HTTP/1.1\r\nHost: x\r\nX-Long: "])
def test_a_connection_without_a_whole_request_is_closed(
    address: tuple[str, int], sent: bytes
) -> None:
    with socket.create_connection(address) as client:
        client.sendall(sent)
        started = time.monotonic()
        assert closed(client)
        assert time.monotonic() - started < LIMITS.request


def test_bytes_in_drops_do_not_keep_a_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.settimeout(0.05)
        deadline = time.monotonic() + 10
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012 (until one of them fails)
            while time.monotonic() < deadline:
                client.sendall(b"G")
                try:
                    assert client.recv(1) == b""
                    raise ConnectionResetError("reset")
                except TimeoutError:
                    continue


def test_idle_connections_leave_room_for_requests(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(address))
            for _ in range(3 * LIMITS.connections)
        ]
        url = f"http://{address[0]}:{address[1]}/indexes"
        assert httpx.get(url, auth=("me", SECRET)).status_code == 200
        assert all(closed(client) for client in idle)


@pytest.mark.parametrize("name", ["Authorization", "X-Other"])
def test_a_header_that_is_not_ascii_is_refused(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with socket.create_connection(address) as client:
        client.sendall(f"GET /indexes HTTP/1.1\r\nHost: x\r\n{name}: Basic é\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert not [item for item in caplog.records if item.levelno >= logging.ERROR]


def test_wrong_passwords_are_slowed_down(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        for _ in range(5):
            assert client.get("/indexes", auth=("me", "wrong")).status_code == 401
        started = time.monotonic()
        assert client.get("/indexes").status_code == 401
        assert time.monotonic() - started < 1.0
        assert client.get("/indexes", auth=("me", SECRET)).status_code == 200
        assert time.monotonic() - started >= 1.0


def test_tries_of_an_address_wait_for_each_other() -> None:
    tries = Tries()
    for _ in range(5):
        assert tries.wait("a", 100.0) == 0.0
        tries.failed("a", 100.0)
    assert tries.wait("b", 100.0) == 0.0
    assert [tries.wait("a", 100.0) for _ in range(11)] == [*map(float, range(1, 11)), None]
    assert tries.wait("a", 105.5) == 5.5
    tries.succeeded("a")
    assert tries.wait("a", 105.5) == 0.0


def test_old_failures_are_forgotten() -> None:
    tries = Tries()
    for _ in range(6):
        tries.failed("a", 0.0)
    assert tries.wait("a", 1.0) == 1.0
    assert tries.wait("a", 1000.0) == 0.0
    tries.failed("a", 1000.0)
    assert tries.wait("a", 1001.0) == 0.0
