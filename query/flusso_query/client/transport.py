"""One request over opensearch-py: its parameters, and what its errors mean."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import opensearchpy.exceptions as library

from flusso_query.errors import ConnectionFailed, IndexMissingError, QueryError, RequestError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    what: str
    """For messages."""
    method: str
    path: str
    body: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    allow: tuple[int, ...] = ()
    """Statuses that are an answer, not an error."""
    lines: bool = False
    """Whether the body is text with one JSON value in each line."""

    def arguments(self) -> dict[str, Any]:
        """Those of `perform_request`."""
        params = {name: _spelled(value) for name, value in self.params.items()}
        if self.allow:
            params["ignore"] = self.allow
        headers = {"headers": {"content-type": "application/x-ndjson"}} if self.lines else {}
        return {"params": params, "body": self.body, **headers}


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of so many seconds."""

    seconds: float


Operation = Generator[Request | Pause, Any, T]
"""The requests of one call: it yields each and is sent its reply, and returns the call's result."""


def path(*parts: str) -> str:
    """A path of these parts, whatever characters they have."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def replied(operation: Operation[Any], request: Request, reply: Any) -> Request | Pause:
    """Go on with an operation whose request was answered."""
    if request.allow and _is_missing_index(reply):
        status, reason = HTTPStatus.NOT_FOUND, reason_of(reply)
        return operation.throw(IndexMissingError(request.what, status, reason, request.body, reply))
    return operation.send(reply)


def failed(operation: Operation[Any], request: Request, error: Exception) -> Request | Pause:
    """Go on with an operation whose request has failed: it may handle that, or end with it."""
    ours = translated(request, error)
    # The cause says what opensearch-py has seen.
    ours.__cause__ = error
    return operation.throw(ours)


def translated(request: Request, error: Exception) -> QueryError:
    """The error of this package for one of opensearch-py."""
    if isinstance(error, library.ConnectionError):
        timed_out = isinstance(error, library.ConnectionTimeout)
        why = "did not answer in time" if timed_out else "cannot be reached"
        # Its text is left to the cause: it may have the address.
        return ConnectionFailed(f"{request.what}: OpenSearch {why}", request.body)
    if isinstance(error, library.TransportError) and isinstance(error.status_code, int):
        type_ = IndexMissingError if _is_missing_index(error.info) else RequestError
        reason = reason_of(error.info) or str(error.error)
        return type_(request.what, error.status_code, reason, request.body, error.info)
    return RequestError(request.what, 0, f"{type(error).__name__}: {error}", request.body)


def reason_of(reply: Any) -> str:
    """Why OpenSearch refused something, from the outside in; empty where it does not say."""
    error = reply.get("error") if isinstance(reply, Mapping) else None
    if not isinstance(error, Mapping):
        return error if isinstance(error, str) else ""
    shards = [item.get("reason") for item in error.get("failed_shards", ())]
    causes = [error, *error.get("root_cause", ()), *shards]
    return "; ".join(dict.fromkeys(text for cause in causes for text in _reasons(cause)))


def _reasons(cause: Any) -> Iterator[str]:
    while isinstance(cause, Mapping):
        reason = cause.get("reason") or cause.get("type", "")
        if reason and reason != "all shards failed":
            yield reason
        cause = cause.get("caused_by")


def _is_missing_index(reply: Any) -> bool:
    found = reply.get("error") if isinstance(reply, Mapping) else None
    return isinstance(found, Mapping) and found.get("type") == "index_not_found_exception"


def _spelled(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
