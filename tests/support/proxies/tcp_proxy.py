"""A TCP proxy that a test can cut, delay and resume: the wire between us and a server."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

_CHUNK = 65536


class TcpProxy:
    """Forwards every connection to `target`.  Used as a context manager."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        """Where new connections lead."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._through = threading.Event()
        self._through.set()
        self._closed = False
        self._hearing = threading.Event()
        self._hearing.set()
        self.delay = 0.0
        """Seconds that every chunk waits."""
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection, and every new one at once, until `resume`."""
        self._through.clear()
        self._drop_all()

    def resume(self) -> None:
        """Let connections through again."""
        self._through.set()

    def deafen(self) -> None:
        """Keep every connection open and let nothing through, until `hear`."""
        self._hearing.clear()

    def hear(self) -> None:
        """Let what was sent meanwhile through."""
        self._hearing.set()

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._hearing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        self._drop_all()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._through.is_set():
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open += [client, server]
            for source, sink in ((client, server), (server, client)):
                thread = threading.Thread(target=self._pump, args=(source, sink), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if self.delay:
                    time.sleep(self.delay)
                self._hearing.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _drop_all(self) -> None:
        with self._lock:
            dropped, self._open = self._open, []
        for each in dropped:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
