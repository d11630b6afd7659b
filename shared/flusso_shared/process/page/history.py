"""The last 30 minutes of a deployment, in memory, for the charts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WINDOW_SECONDS = 1800.0
_MIN_STEP_SECONDS = 5.0
"""A page looks every two seconds; its chart has one point for five."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the charts show of one overview."""

    at: float
    """Seconds since the epoch."""
    slot_bytes: int | None
    lag: Mapping[str, int | None]
    """Per index, in changes."""
    rate: Mapping[str, float | None]
    """Per index, in changes per second."""

    @classmethod
    def of(cls, overview: Mapping[str, Any]) -> Sample:
        indexes = overview["indexes"]
        return cls(
            at=overview["at"],
            slot_bytes=overview["source"]["lag_bytes"],
            lag={item["index"]: item["lag"] for item in indexes},
            rate={item["index"]: item["rate"] for item in indexes},
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "slot_bytes": self.slot_bytes,
            "lag": dict(self.lag),
            "rate": dict(self.rate),
        }


class History:
    """At most 360 samples.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque(maxlen=int(WINDOW_SECONDS / _MIN_STEP_SECONDS))

    def add(self, overview: Mapping[str, Any]) -> None:
        """Keep a sample, unless there is one of the last five seconds."""
        sample = Sample.of(overview)
        with self._lock:
            if not self._samples or sample.at - self._samples[-1].at >= _MIN_STEP_SECONDS:
                self._samples.append(sample)

    def since(self, at: float) -> list[Sample]:
        """The samples that are newer, of the last 30 minutes, in order."""
        with self._lock:
            if not self._samples:
                return []
            first = max(at, self._samples[-1].at - WINDOW_SECONDS)
            return [sample for sample in self._samples if sample.at > first]
