"""Starts the product's commands as forks of a process that has imported them: `python -m support.fork_server`.

A start of Python with its imports takes a second of processor time, and the tests start commands by the thousand.  A fork is a process like
any other: it has its own files, environment, folder and signals, is killed and waited for, and runs the entry point of
`[project.scripts]` from its first line.  What it does not show is that the entry point is installed: tests of the
distribution, the image and the pages of the documentation do.

Its standard input is a socket.  A message on it has the descriptors of a connection and of the new process's standard output and error,
and the `Order` as JSON.  The connection is told the process's id, then the status that `waitpid` gives.  All ends when the socket is closed.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import TypedDict

COMMANDS = {
    "flusso": "flusso_cli.main",
    "flusso-capture": "flusso_cli.daemons.capture",
    "flusso-worker": "flusso_cli.daemons.worker",
}
"""The module whose `main` is the command."""
NUMBER = struct.Struct("=i")
MAX_ORDER_BYTES = 1 << 17
_PACKAGES = ("flusso_shared", "flusso_capture", "flusso_worker", "flusso_cli")


class Order(TypedDict):
    """What to run."""

    command: list[str]
    """The path of the program, whose name is one of `COMMANDS`, and its arguments."""
    environment: dict[str, str]
    folder: str


def main() -> Callable[[], None]:
    """Serve; gives the entry point in each fork."""
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(
            importlib.import_module(package).__path__, package + "."
        ):
            importlib.import_module(module.name)
    gc.collect()
    # Forks share what is there.
    gc.freeze()
    orders = socket.socket(fileno=os.dup(0))
    told, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    waiting: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(told, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if told in ready:
                told.recv(4096)
                _reap(waiting)
            if orders not in ready:
                continue
            message, found, _, _ = socket.recv_fds(orders, MAX_ORDER_BYTES, 3)
            if not message:
                os._exit(0)
            order: Order = json.loads(message)
            connection, *outputs = found
            child = os.fork()
            if child == 0:
                selector.close()
                return _entry(order, outputs, [orders, told, wake, *waiting.values()], connection)
            for descriptor in outputs:
                os.close(descriptor)
            waiting[child] = socket.socket(fileno=connection)
            waiting[child].send(NUMBER.pack(child))


def _reap(waiting: dict[int, socket.socket]) -> None:
    while waiting:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        with waiting.pop(child) as connection:
            try:
                connection.send(NUMBER.pack(status))
            except BrokenPipeError:
                continue  # the test has ended


def _entry(
    order: Order, outputs: list[int], inherited: list[socket.socket], connection: int
) -> Callable[[], None]:
    """Become the process that was ordered."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for item in inherited:
        item.close()
    os.close(connection)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *outputs)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    if "PYTHONFAULTHANDLER" in order["environment"]:
        faulthandler.enable()
    sys.argv = order["command"]
    # Where click looks for the name of the command: this is no `python -m`.
    sys.modules["__main__"].__package__ = None
    main: Callable[[], None] = importlib.import_module(
        COMMANDS[os.path.basename(order["command"][0])]
    ).main
    return main


if __name__ == "__main__":
    main()()
