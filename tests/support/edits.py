"""Edits that go on in the background while a test breaks things."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from support.stores import dev as store


@contextmanager
def background(name: str, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in another thread; the event that it gets is set at the end of the block.

    What it raises fails the test, then.
    """
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(stop)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=run, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures, f"{name} ended early: {failures[0]!r}"


@contextmanager
def steady_edits(
    database_url: str, seed: int, *, pause: float = 0.03, patient: bool = False
) -> Iterator[None]:
    """Edit all the time, from another thread, until the block ends.

    `patient` connects again when the server goes away; what was under way then may have happened or not.
    """

    def edit(number: int, stop: threading.Event) -> None:
        with store.Editor(database_url, number) as editor:
            while not stop.wait(pause):
                editor.edit()

    def work(stop: threading.Event) -> None:
        number = seed
        while not stop.is_set():
            try:
                edit(number, stop)
            except psycopg.OperationalError:
                if not patient:
                    raise
                number += 1
                stop.wait(0.2)

    with background("edits", work):
        yield
