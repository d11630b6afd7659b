"""The watermark: the LSN that may be confirmed to the server (invariant I1).  Pure.

The rows of a transaction share one commit LSN, so it may be confirmed only when the transaction has ended and each of its
changes is acknowledged, and when the same holds for every transaction before it.
"""

from __future__ import annotations

from collections import deque


class Transaction:
    """Counts the changes of one transaction: published, and not yet acknowledged."""

    __slots__ = ("closed", "end", "outstanding", "published")

    def __init__(self) -> None:
        self.published = 0
        self.outstanding = 0
        self.closed = False
        self.end = 0
        """Once closed: the LSN that may be confirmed when it and all transactions before it are acknowledged."""

    def change_published(self) -> None:
        """A change was queued in the change log."""
        self.published += 1
        self.outstanding += 1

    def change_acknowledged(self) -> None:
        """One of the published changes is durable."""
        self.outstanding -= 1


class Watermark:
    """The confirmed LSN: the end of the longest prefix of closed, acknowledged transactions.

    Every operation is O(1), amortised.
    """

    def __init__(self, confirmed: int = 0) -> None:
        self._confirmed = confirmed
        self._transactions: deque[Transaction] = deque()
        self.received = confirmed
        """The LSN up to which the log was received."""
        self.acknowledged = 0
        """Number of changes in the transactions before the confirmed LSN."""

    @property
    def outstanding(self) -> int:
        """Number of transactions that are open or not fully acknowledged."""
        return len(self._transactions)

    @property
    def unacknowledged(self) -> int:
        """Number of published changes that are not acknowledged.  O(transactions): for the drain, and a look now and then."""
        return sum(transaction.outstanding for transaction in self._transactions)

    @property
    def acknowledged_so_far(self) -> int:
        """Number of acknowledged changes, in whichever transaction.  O(transactions): for a look now and then."""
        return self.acknowledged + sum(
            transaction.published - transaction.outstanding for transaction in self._transactions
        )

    @property
    def open(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return bool(self._transactions) and not self._transactions[-1].closed

    def begin_transaction(self) -> Transaction:
        """A transaction begins in the stream.  Raises `ValueError` when one is open."""
        if self.open:
            raise ValueError("a transaction is open already")
        transaction = Transaction()
        self._transactions.append(transaction)
        return transaction

    def commit_transaction(self, end_lsn: int) -> None:
        """The open transaction ends; `end_lsn` lies after its commit record.  Raises `ValueError` when none is open."""
        if not self.open:
            raise ValueError("no transaction is open")
        transaction = self._transactions[-1]
        transaction.closed = True
        transaction.end = end_lsn
        self.received = max(self.received, end_lsn)

    def keepalive(self, wal_end: int) -> None:
        """Everything of this stream before the LSN `wal_end` has been received."""
        self.received = max(self.received, wal_end)
        if not self._transactions:
            self._confirmed = max(self._confirmed, wal_end)
        elif self._transactions[-1].closed:
            # No change of this stream lies between its end and `wal_end`: its last acknowledgement covers both.
            last = self._transactions[-1]
            last.end = max(last.end, wal_end)

    def confirmed(self) -> int:
        """The LSN that may be confirmed now.  Never decreases."""
        transactions = self._transactions
        while transactions and transactions[0].closed and not transactions[0].outstanding:
            done = transactions.popleft()
            self.acknowledged += done.published
            self._confirmed = max(self._confirmed, done.end)
        return self._confirmed
