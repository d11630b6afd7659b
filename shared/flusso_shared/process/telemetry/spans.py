"""The tracer over OpenTelemetry's: spans with the attributes `flusso.*`, and links from `traceparent` headers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager

from opentelemetry import trace

from flusso_shared.tracing import Span


class OpenTelemetryTracer:
    """A `Tracer`."""

    enabled = True

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start(self, name: str, links: Collection[str] = (), **attributes: int | str) -> Span:
        kind = trace.SpanKind.CONSUMER if links else trace.SpanKind.INTERNAL
        span = self._tracer.start_span(
            name, kind=kind, links=list(_links(links)), attributes=_named(attributes)
        )
        return _OpenTelemetrySpan(self._tracer, span)


class _OpenTelemetrySpan:
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = trace.set_span_in_context(span)
        at = span.get_span_context()
        self.traceparent = f"00-{at.trace_id:032x}-{at.span_id:016x}-{int(at.trace_flags):02x}"

    def child(self, name: str, **attributes: int | str) -> AbstractContextManager[object]:
        found: AbstractContextManager[object] = self._tracer.start_as_current_span(
            name, context=self._context, attributes=_named(attributes)
        )
        return found

    def end(self, **attributes: int | str) -> None:
        if self._span.is_recording():
            self._span.set_attributes(_named(attributes))
            self._span.end()


def _named(attributes: Mapping[str, int | str]) -> dict[str, int | str]:
    return {f"flusso.{name}": value for name, value in attributes.items()}


def _links(headers: Collection[str]) -> Iterator[trace.Link]:
    """One for each value that W3C Trace Context allows; others are left out."""
    for header in headers:
        match header.split("-"):
            case ["00", trace_id, span_id, flags] if _is_hex(trace_id, span_id, flags):
                yield trace.Link(
                    trace.SpanContext(
                        int(trace_id, 16),
                        int(span_id, 16),
                        is_remote=True,
                        trace_flags=trace.TraceFlags(int(flags, 16)),
                    )
                )
            case _:
                pass


def _is_hex(*texts: str) -> bool:
    return [len(text) for text in texts] == [32, 16, 2] and set("".join(texts)) <= set(
        "0123456789abcdef"
    )
