"""Spans of what happens to a batch: a seam that does nothing, unless `process.telemetry` gives another tracer.

Nothing of OpenTelemetry is imported here.  The parts get a tracer by constructor, as they get metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")

MAX_LINKS = 128
"""Links of one span, which is OpenTelemetry's own limit."""


class Span(Protocol):
    """Open from `Tracer.start` until `end`.  Children may be made in any thread, and at once."""

    @property
    def traceparent(self) -> str:
        """The header of W3C Trace Context that leads to this span; empty where there are no traces."""
        ...

    def child(self, name: str, **attributes: int | str) -> AbstractContextManager[object]:
        """A span within this one, open as long as the block, whose error it records."""
        ...

    def end(self, **attributes: int | str) -> None:
        """End the span.  May be repeated."""
        ...


class Tracer(Protocol):
    """Makes spans without a parent.  Thread-safe."""

    @property
    def enabled(self) -> bool:
        """Whether there are traces at all: what is needed for them only is left out otherwise."""
        ...

    def start(self, name: str, links: Collection[str] = (), **attributes: int | str) -> Span:
        """A new trace, linked to those of `links`, which are values of `Span.traceparent`."""
        ...


class _NoSpan:
    traceparent = ""

    def child(self, name: str, **attributes: int | str) -> AbstractContextManager[object]:
        return _NOTHING

    def end(self, **attributes: int | str) -> None:
        pass


class _NoTracer:
    enabled = False

    def start(self, name: str, links: Collection[str] = (), **attributes: int | str) -> Span:
        return NO_SPAN


_NOTHING = nullcontext()
NO_SPAN: Span = _NoSpan()
NO_TRACER: Tracer = _NoTracer()


def each(span: Span, name: str, items: Iterator[T]) -> Iterator[T]:
    """The items, with a child of `span` for the time that each takes to be made, and one for what follows the last."""
    while True:
        with span.child(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
