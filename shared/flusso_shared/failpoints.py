"""Named places where a test can end a process or hold a thread: `FLUSSO_FAILPOINT=after_produce:exit@5`.

`name:exit` ends the process like `kill -9`, `name:delay=5s` holds the thread; `@N` means the Nth hit only.
Several are separated by commas.  Unset, a place costs one test of `armed`.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from flusso_shared.errors import ConfigError

logger = logging.getLogger(__name__)

VARIABLE = "FLUSSO_FAILPOINT"
EXIT_CODE = 86
"""The exit code of `exit`, which no other exit has."""

Place = Literal[
    # capture
    "slot_created",  # the slot was made, its lineage is not recorded
    "after_produce",  # a change was handed to the change log
    "after_broker_ack",  # the change log acknowledged a change
    "before_slot_confirm",  # a new position is about to be confirmed to the slot
    "after_slot_confirm",  # it was sent
    "snapshot_chunk",  # a chunk of a table's snapshot was published
    "before_snapshot_complete",  # all rows of a snapshot are acknowledged, that is not recorded
    # worker
    "after_poll",  # a batch of changes was taken in
    "before_build",  # the snapshot of a batch was taken, nothing was read in it
    "before_bulk",  # documents are built, none is sent
    "mid_bulk",  # the first half of a chunk's documents is acknowledged, the rest is not sent
    "after_bulk_ack",  # every sink has a chunk, the pipeline does not know it yet
    "after_quarantine",  # documents were put into quarantine, the offsets are not committed
    "before_offset_commit",  # offsets are about to be committed
    "after_offset_commit",  # they were committed
    "generation_created",  # a generation is recorded, it has no index
    "generation_prepared",  # it has its index and its offsets, that is not recorded
    "generation_promoting",  # it is recorded that its aliases are about to be moved, they are not
    "generation_published",  # its aliases point at it, that is not recorded
    "generation_retired",  # a superseded generation's index was deleted, its record was not
]
"""Every place that a setting can name."""
PLACES: tuple[Place, ...] = get_args(Place)
_BY_NAME: dict[str, Place] = {place: place for place in PLACES}

_ITEM = re.compile(
    r"(?P<name>[a-z_]+):(?:(?P<exit>exit)|delay=(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m))(?:@(?P<nth>[1-9]\d*))?"
)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LOGGED = {"action": "failpoint"}
_FORM = "name:exit, name:delay=500ms (or s, m), either with @N for the Nth hit only"


@dataclass(slots=True)
class Point:
    """The action of one place.  Thread-safe."""

    name: Place
    delay: float | None
    """Seconds; None ends the process."""
    nth: int | None = None
    _hits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hit(self) -> None:
        with self._lock:
            self._hits += 1
            number = self._hits
        if self.nth is not None and number != self.nth:
            return
        if self.delay is None:
            logger.warning("failpoint %s: exit at hit %d", self.name, number, extra=_LOGGED)
            logging.shutdown()
            os._exit(EXIT_CODE)
        if self.nth is not None or number == 1:
            logger.warning("failpoint %s: delay of %.3f s", self.name, self.delay, extra=_LOGGED)
        threading.Event().wait(self.delay)


armed = False
"""Whether any place has an action."""
_points: dict[Place, Point] = {}


def arm(text: str) -> None:
    """Arm the places of a setting; an empty text disarms all.  Raises `ConfigError`."""
    global armed
    points = parse(text)
    _points.clear()
    _points.update({point.name: point for point in points})
    armed = bool(points)
    if armed:
        logger.warning("%s=%s: this process is under test", VARIABLE, text, extra=_LOGGED)


def hit(name: Place) -> None:
    """Run the action that is set for this place, if any."""
    if armed and (point := _points.get(name)) is not None:
        point.hit()


def watched(name: Place) -> bool:
    """Whether an action is set for this place."""
    return armed and name in _points


def after(name: Place, action: Callable[[], None]) -> Callable[[], None]:
    """`action`, with this place right after it; itself when nothing is set."""
    if not watched(name):
        return action

    def both() -> None:
        action()
        hit(name)

    return both


def parse(text: str) -> list[Point]:
    """The points of a setting.  Raises `ConfigError` saying what is wrong with it."""
    found: dict[Place, Point] = {}
    for item in [part.strip() for part in text.split(",") if part.strip()]:
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ConfigError(f"{VARIABLE}: cannot read {item!r}; it is {_FORM}")
        name, nth = _BY_NAME.get(match["name"]), match["nth"]
        if name is None:
            written = match["name"]
            raise ConfigError(f"{VARIABLE}: there is no failpoint {written}{_near(written)}")
        if name in found:
            raise ConfigError(f"{VARIABLE}: {name} is set twice")
        delay = None if match["exit"] else float(match["number"]) * _SECONDS[match["unit"]]
        found[name] = Point(name, delay, int(nth) if nth else None)
    return list(found.values())


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, PLACES, n=1)
    return f"; did you mean {near[0]}?" if near else "; there are " + ", ".join(PLACES)
