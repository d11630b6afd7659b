"""The order of the demonstration, from the servers to Ctrl-C, and what is stopped at its end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from demolib import display, programs, seeding
from demolib.programs import Program
from demolib.search import Search
from demolib.story import Story
from stacklib.layout import Layout
from stacklib.problem import Problem
from stacklib.stack import Stack

_POLL = 0.5


def main() -> int:
    """Run the demonstration; gives the exit code.  Ctrl-C is how it is meant to end."""
    options = _parser().parse_args()
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        _demonstrate(once=options.once, search=options.search)
    except Problem as problem:
        print(f"dev/demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        display.say("\nStopped. The data stays in .dev; ./dev/stack wipe removes it.")
    return 0


def _demonstrate(once: bool, search: bool) -> None:
    layout = Layout.of_repository()
    stack = Stack(layout)
    started: list[str] = []
    running: list[Program] = []
    others: list[Program] = []
    try:
        display.heading("Postgres, Kafka and OpenSearch")
        started = stack.up()
        addresses = stack.addresses()
        documents = Search(addresses["opensearch"])

        display.heading("flusso-capture and two times flusso-worker")
        running = programs.start(addresses, layout.folder / "demo")
        seeding.wait_until_live(running, documents)
        for index in seeding.INDEXES:
            count, generation = documents.count(index), documents.generation(index)
            display.say(f"  {index:<10} {count} documents in {generation}")

        if search:
            others.append(programs.start_page(addresses, layout.folder / "demo" / "search"))
            display.say(f"\nSearch the store in a browser: [bold]{others[0].public_url}[/]")

        story = Story(addresses["postgres"], documents)
        display.heading("Ten changes")
        story.ten_changes()
        story.one_child_row()
        _where_to_look(running, others, addresses["postgres"], documents.url)
        if not once:
            _stay([*running, *others])
    finally:
        _clean_up(stack, started, [*others, *running])


def _stay(running: Sequence[Program]) -> None:
    """Wait for Ctrl-C, and tell if a program stops before that."""
    display.say("\nEverything keeps running and following. [bold]Ctrl-C[/] stops all of it.")
    while True:
        for program in running:
            program.check()
        threading.Event().wait(_POLL)


def _clean_up(stack: Stack, started: list[str], running: Sequence[Program]) -> None:
    """Stop what was started here, the programs first.  It is not interrupted by a second Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if running or started:
        display.say("")
    if running:
        display.say("  Stopping capture and workers ...")
        programs.stop(running)
    if started:
        stack.down(only=started)


def _where_to_look(
    running: Sequence[Program], others: Sequence[Program], database_url: str, search_url: str
) -> None:
    display.heading("Where to look next")
    for page in others:
        display.say(f"  a search page     {page.public_url}  and its code, dev/searchlib")
    display.say(f"  a document        {search_url}/users/_doc/1?pretty")
    display.say(f"  a search          {search_url}/products/_search?q=name:atlas&pretty")
    for program in running:
        display.say(f"  {program.name:<17} {program.public_url}/status  and  /metrics")
    display.say("  their logs        .dev/demo/*/log")
    display.say("  what was written  .dev/demo/worker-*/documents.jsonl")
    display.say(f"  change something  psql {database_url}")
    display.say(
        "  what it follows   dev/flusso.toml, dev/schemas/*.schema.yml, dev/sql/01_schema.sql"
    )
    display.say(
        "  more to do        the recipes in justfile: just load, just status, just psql, ..."
    )


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev/demo",
        description="Starts everything on this machine, shows a change on its way into the documents,"
        " and keeps it running until Ctrl-C.",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        default=bool(os.environ.get("FLUSSO_DEMO_ONCE")),
        help="stop after the change was shown (or FLUSSO_DEMO_ONCE=1)",
    )
    parser.add_argument(
        "--search",
        action="store_true",
        help="serve a search page over the documents, made with flusso_query",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
