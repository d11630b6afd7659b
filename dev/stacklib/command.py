"""The command line of `dev/stack`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType

from stacklib import venv
from stacklib.layout import PORT_VARIABLES, Layout
from stacklib.problem import Problem
from stacklib.stack import Stack

_NOT_RUNNING = 3


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; gives the exit code."""
    options = _parser().parse_args(arguments)
    # A shell starts background jobs with Ctrl-C ignored; who sends it all the same means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return _run(options, Stack(Layout.of_repository()))
    except Problem as problem:
        print(f"dev/stack: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dev/stack: interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, stack: Stack) -> int:
    match options.command:
        case "up":
            venv.ensure(with_tools=False)
            if not stack.up():
                print("Everything runs already.", file=sys.stderr)
            return _status(stack)
        case "down":
            stack.down()
        case "wipe":
            stack.wipe()
        case "logs":
            return _logs(stack, options.service, options.follow)
        case _:
            return _status(stack)
    return 0


def _status(stack: Stack) -> int:
    addresses = stack.addresses()
    states = stack.status()
    for state in states:
        told = "stopped" if state.pid is None else "ready" if state.ready else "not answering"
        process = "" if state.pid is None else f"process {state.pid}"
        print(f"{state.service:<12} {told:<14} {addresses[state.service]:<48} {process}".rstrip())
    return 0 if all(state.ready for state in states) else _NOT_RUNNING


def _logs(stack: Stack, service: str | None, follow: bool) -> int:
    files = [
        str(daemon.log)
        for name, daemon in stack.logs().items()
        if service in (None, name) and daemon.log.exists()
    ]
    if not files:
        raise Problem("There is no log yet. Start the servers with: ./dev/stack up")
    sys.stdout.flush()
    os.execvp("tail", ["tail", "-n", "50", *(["-F"] if follow else []), *files])


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    variables = ", ".join(f"{name} ({default})" for name, default in PORT_VARIABLES.values())
    parser = argparse.ArgumentParser(
        prog="dev/stack",
        description="Postgres, Kafka and OpenSearch as plain processes, data in .dev.",
        epilog=f"Ports come from the environment: {variables}.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "up", help="start what does not run; the first time make the environment and the store"
    )
    commands.add_parser("down", help="stop; the data stays")
    commands.add_parser("status", help="show what runs and where")
    commands.add_parser("wipe", help="stop and remove the data")
    logs = commands.add_parser("logs", help="show the servers' logs")
    logs.add_argument("service", nargs="?", choices=list(PORT_VARIABLES))
    logs.add_argument("--no-follow", dest="follow", action="store_false", help="do not go on")
    return parser
