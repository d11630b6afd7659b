"""Edits that go on in the background while a test breaks things."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from support.stores import dev as store


@contextmanager
def steady_edits(
    database_url: str, seed: int, *, pause: float = 0.01, patient: bool = False
) -> Iterator[None]:
    """Edit all the time, from another thread, until the block ends.

    `patient` connects anew when the server goes away; what was under way then may have happened or not.
    """
    stop = threading.Event()
    failures: list[BaseException] = []

    def edit(number: int) -> None:
        with store.Editor(database_url, number) as editor:
            while not stop.wait(pause):
                editor.edit()

    def work() -> None:
        number = seed
        while not stop.is_set():
            try:
                edit(number)
            except psycopg.OperationalError as error:
                if not patient:
                    failures.append(error)
                    raise
                number += 1
                stop.wait(0.2)
            except BaseException as error:
                failures.append(error)
                raise

    thread = threading.Thread(target=work, name="edits")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures, f"the edits ended early: {failures[0]!r}"
