"""Slows down attempts to guess the password: after a few wrong ones, each further attempt from an address waits.  Pure."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

_FREE_FAILURES = 5
"""Wrong passwords in a row that cost nothing."""
_DELAY_SECONDS = 1.0
"""Seconds between two tries after that."""
_MAX_DELAY_SECONDS = 10.0
_FORGET_AFTER_SECONDS = 300.0
_MAX_ADDRESSES = 1000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    next: float = 0.0


class Tries:
    """Counts failures by address.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str, now: float) -> float | None:
        """Seconds until an attempt from `address` may be checked; None when too many wait already."""
        with self._lock:
            record = self._records.get(address)
            if (
                record is None
                or now - record.last > _FORGET_AFTER_SECONDS
                or record.failures < _FREE_FAILURES
            ):
                return 0.0
            at = max(now, record.next) + _DELAY_SECONDS
            if at - now > _MAX_DELAY_SECONDS:
                return None
            record.next = at
            return at - now

    def failed(self, address: str, now: float) -> None:
        """Note a wrong password."""
        with self._lock:
            record = self._records.pop(address, None)
            if record is None or now - record.last > _FORGET_AFTER_SECONDS:
                record = _Record()
            record.failures += 1
            record.last = now
            self._records[address] = record
            while len(self._records) > _MAX_ADDRESSES:
                self._records.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Note the right password."""
        with self._lock:
            self._records.pop(address, None)
