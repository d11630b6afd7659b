"""What can go wrong in a query, for who calls this package.

    QueryError
    ├── ScopeError             queries of different levels or indexes were combined
    ├── ValueRangeError        a value that the field cannot hold
    ├── SchemaMismatchError    a model does not fit the schema
    ├── ConnectionFailed       no answer: the address, TLS, a time-out
    ├── RequestError           OpenSearch refused the request
    │   ├── IndexMissingError  the index or alias does not exist
    │   └── MsearchError       ... one of several searches
    ├── PartialResultError     some shards failed or ran out of time
    ├── TruncatedError         more elements of a nested array match than OpenSearch returns
    ├── UnexpectedIndexError   a hit of an index that was not asked for
    ├── DecodeError            a document that the model does not accept
    └── WaitTimeout            a commit was not applied in time

No message and no attribute has credentials: addresses are never part of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class QueryError(Exception):
    """Base of all errors of this package."""


class ScopeError(QueryError, TypeError):
    """Queries of different levels were combined, or a query was given to a search of another index."""


class ValueRangeError(QueryError, ValueError):
    """A value that the field cannot hold, so that no document can match."""


class SchemaMismatchError(QueryError):
    """A model does not fit the schema.  `problems` has one text per problem, all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ConnectionFailed(QueryError):
    """OpenSearch did not answer.  `body` is what was to be sent; the cause is opensearch-py's error."""

    def __init__(self, message: str, body: Any = None) -> None:
        super().__init__(message)
        self.body = body


class RequestError(QueryError):
    """OpenSearch refused a request.

    `status` is that of HTTP, `reason` OpenSearch's own text, `body` the request's, and `reply` all that it answered.
    """

    def __init__(
        self, what: str, status: int, reason: str, body: Any = None, reply: Any = None
    ) -> None:
        super().__init__(f"{what}: OpenSearch answered {status}: {reason}")
        self.status = status
        self.reason = reason
        self.body = body
        self.reply = reply


class IndexMissingError(RequestError):
    """The index or alias does not exist: not seeded yet, another prefix, or a model of an older schema."""


class MsearchError(RequestError):
    """One search of several was refused; `slot` counts from 0."""

    def __init__(self, slot: int, status: int, reason: str, body: Any, reply: Any) -> None:
        super().__init__(f"search {slot} of msearch", status, reason, body, reply)
        self.slot = slot


class PartialResultError(QueryError):
    """Not all shards answered, or not in time.  `failures` has OpenSearch's entries, `body` the request's."""

    def __init__(
        self, what: str, failures: Sequence[Mapping[str, Any]], timed_out: bool, body: Any
    ) -> None:
        why = "it ran out of time" if timed_out else f"{len(failures) or 'some'} shards failed"
        super().__init__(f"{what}: the result is partial, because {why}")
        self.failures = tuple(failures)
        self.timed_out = timed_out
        self.body = body


class TruncatedError(QueryError):
    """More elements of a nested array match than OpenSearch returns at once, and no size was asked for."""

    def __init__(self, document: str, path: str, returned: int, total: int) -> None:
        super().__init__(
            f"document {document}: {total} elements of `{path}` match, and OpenSearch returns {returned}. Ask for a number"
            " of them with `.size(n)`, or raise `index.max_inner_result_window` of the index and `inner_window` of the"
            " client"
        )
        self.document = document
        self.path = path
        self.returned = returned
        self.total = total


class UnexpectedIndexError(QueryError):
    """A hit of an index that belongs to no model of the search."""

    def __init__(self, index: str, expected: Sequence[str]) -> None:
        super().__init__(
            f"a hit is of the index {index}, and the search is of {', '.join(expected)}"
        )
        self.index = index


class DecodeError(QueryError):
    """A document that its model does not accept.  The cause is pydantic's error; the message has no values."""

    def __init__(self, index: str, document: str, model: str, problems: Sequence[str]) -> None:
        super().__init__(
            f"document {document} of {index} is not a {model}: {'; '.join(problems)}. Generate the models again, or deploy"
            " the consumer with the schema"
        )
        self.index = index
        self.document = document
        self.problems = tuple(problems)


class WaitTimeout(QueryError, TimeoutError):
    """The pipeline had not applied a commit when the time was over."""
