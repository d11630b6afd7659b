"""Transactions in two phases: prepared now, committed or rolled back some transactions later."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import psycopg

from support import names

_SHARE = 0.1
_LONGEST = 8
"""Transactions until a prepared one ends."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass
class _Open:
    name: str
    whole: bool
    left: int


class Prepared:
    """Those that are open.  `connection` is in autocommit mode and serves to end them.

    They outlive the sessions they were made in, and keep their locks; a database that has one cannot be dropped.
    """

    def __init__(self, random: Random, connection: Connection) -> None:
        self._random = random
        self._connection = connection
        self._open: list[_Open] = []
        shown = connection.execute("SHOW max_prepared_transactions").fetchone()
        assert shown is not None
        self._possible = shown[0] != "0"

    def take(self, connection: Connection, *, whole: bool) -> bool:
        """Prepare what that connection has begun, now and then; it is committed later if `whole`, else rolled back.

        False: it was left as it is.
        """
        chosen, left = self._random.random() < _SHARE, self._random.randint(0, _LONGEST)
        if not (chosen and self._possible):
            return False
        name = names.unique("flusso_test_")  # one space of names for all databases
        connection.execute(f"PREPARE TRANSACTION '{name}'".encode())
        self._open.append(_Open(name, whole, left))
        return True

    def pass_by(self) -> None:
        """One more transaction is over: end those that have waited for enough of them."""
        for each in self._open:
            each.left -= 1
        self._end([each for each in self._open if each.left < 0])

    def settle(self) -> None:
        """End all of them."""
        self._end(list(self._open))

    def _end(self, these: list[_Open]) -> None:
        for each in these:
            verb = "COMMIT" if each.whole else "ROLLBACK"
            self._connection.execute(f"{verb} PREPARED '{each.name}'".encode())
            self._open.remove(each)
