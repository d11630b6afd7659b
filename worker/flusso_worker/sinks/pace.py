"""How many operations a bulk request has, so that it takes about as long as it should.  Pure."""

from __future__ import annotations

REQUEST_SECONDS = 0.05
"""A thread of OpenSearch that writes finishes one request before it takes the next, of whatever index: behind those of a seeding
wait the changes of all others."""
LEAST = 100
"""Operations of a request that takes longer than that: smaller ones cost OpenSearch more than they save others."""


class Pace:
    """Learns from the requests of one index at one sink.  Shared by threads without a lock: a race costs one size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = min(most, LEAST)
        self.operations = self._least
        """For the next request."""

    def learn(self, operations: int, seconds: float) -> None:
        """A request of so many took so long.  One that is smaller than any has to be tells nothing."""
        if operations < self._least:
            return
        fitting = int(operations * REQUEST_SECONDS / seconds) if seconds > 0 else self._most
        self.operations = max(self._least, min(self._most, fitting, 2 * self.operations))
