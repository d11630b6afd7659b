"""Which position of the log may be confirmed (invariant I1).  Pure.

The rows of a transaction share one commit position, so it may be confirmed only when the transaction has
ended and each of its changes is acknowledged, and so has everything before it.
"""

from __future__ import annotations

from collections import deque


class Transaction:
    """Counts what is published and not acknowledged of one transaction."""

    __slots__ = ("closed", "end", "outstanding", "published")

    def __init__(self) -> None:
        self.published = 0
        self.outstanding = 0
        self.closed = False
        self.end = 0
        """Once closed: what may be confirmed when it, and all before it, are acknowledged."""

    def publish(self) -> None:
        """A change was handed to the change log."""
        self.published += 1
        self.outstanding += 1

    def acknowledge(self) -> None:
        """One of them is durable."""
        self.outstanding -= 1


class Watermark:
    """The confirmed position: the end of the longest prefix of closed, acknowledged transactions.

    Every operation is O(1), amortised.
    """

    def __init__(self, confirmed: int = 0) -> None:
        self._confirmed = confirmed
        self._transactions: deque[Transaction] = deque()
        self.received = confirmed
        """How far the log was received."""
        self.acknowledged = 0
        """Changes of the transactions that the position has passed."""

    @property
    def outstanding(self) -> int:
        """Transactions that hold the position."""
        return len(self._transactions)

    @property
    def unacknowledged(self) -> int:
        """Changes that were published and not acknowledged.  O(transactions): for the end of a run."""
        return sum(transaction.outstanding for transaction in self._transactions)

    @property
    def open(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return bool(self._transactions) and not self._transactions[-1].closed

    def begin(self) -> Transaction:
        """A transaction begins in the stream."""
        if self.open:
            raise ValueError("a transaction is open already")
        transaction = Transaction()
        self._transactions.append(transaction)
        return transaction

    def commit(self, end_lsn: int) -> None:
        """The open transaction ends; `end_lsn` lies after its commit record."""
        if not self.open:
            raise ValueError("no transaction is open")
        transaction = self._transactions[-1]
        transaction.closed = True
        transaction.end = end_lsn
        self.received = max(self.received, end_lsn)

    def keepalive(self, wal_end: int) -> None:
        """Everything before `wal_end` that concerns this stream has been received."""
        self.received = max(self.received, wal_end)
        if not self._transactions:
            self._confirmed = max(self._confirmed, wal_end)
        elif self._transactions[-1].closed:
            # Nothing of interest lies between its end and here: both are reached by its last ack.
            last = self._transactions[-1]
            last.end = max(last.end, wal_end)

    def confirmed(self) -> int:
        """The position that may be confirmed now.  Never goes back."""
        transactions = self._transactions
        while transactions and transactions[0].closed and not transactions[0].outstanding:
            done = transactions.popleft()
            self.acknowledged += done.published
            self._confirmed = max(self._confirmed, done.end)
        return self._confirmed
