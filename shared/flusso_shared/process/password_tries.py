"""Slows down who tries passwords: after a few wrong ones, each further try of an address waits.  Pure."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

_FREE = 5
"""Wrong passwords in a row that cost nothing."""
_EACH = 1.0
"""Seconds between two tries after that."""
_LONGEST = 10.0
_FORGOTTEN = 300.0
_MOST_ADDRESSES = 1000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    next: float = 0.0


class Tries:
    """What is known of the addresses that failed.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str, now: float) -> float | None:
        """Seconds until a try of `address` may be looked at; None when too many wait already."""
        with self._lock:
            record = self._records.get(address)
            if record is None or now - record.last > _FORGOTTEN or record.failures < _FREE:
                return 0.0
            at = max(now, record.next) + _EACH
            if at - now > _LONGEST:
                return None
            record.next = at
            return at - now

    def failed(self, address: str, now: float) -> None:
        """It was the wrong password."""
        with self._lock:
            record = self._records.pop(address, None)
            if record is None or now - record.last > _FORGOTTEN:
                record = _Record()
            record.failures += 1
            record.last = now
            self._records[address] = record
            while len(self._records) > _MOST_ADDRESSES:
                self._records.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """It was the right one."""
        with self._lock:
            self._records.pop(address, None)
