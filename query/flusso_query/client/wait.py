"""Waiting until the pipeline has applied a commit (read your write).

Workers record for each generation up to which position of the write-ahead log it has applied every commit.  The record of the generation that
the alias has is read until it is far enough.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from flusso_query.client.operations import Options, refresh
from flusso_query.client.transport import Operation, Pause, Request, path
from flusso_query.document import Document
from flusso_query.errors import WaitTimeout

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.25
_PAGE_BYTES, _PAGE_HEADER_BYTES = 8192, 24
_SMALLEST_SEGMENT_BYTES, _SEGMENT_HEADER_BYTES = 1 << 20, 40


class Committed(Protocol):
    """A change as the change log has it."""

    @property
    def commit_lsn(self) -> int:
        """Where the commit record of its transaction begins."""
        ...


def position(lsn: int | str | Committed) -> int:
    """The position that must be applied.  Raises `ValueError` for text that is no LSN."""
    if isinstance(lsn, int):
        return lsn
    if isinstance(lsn, str):
        high, slash, low = lsn.partition("/")
        try:
            if slash:
                return (int(high, 16) << 32) | int(low, 16)
        except ValueError:
            pass
        raise ValueError(f"`{lsn}` is no LSN of Postgres, such as 0/16B3748")
    # It is applied once something after the beginning of its commit record is.
    return lsn.commit_lsn + 1


def is_applied(applied: int, wanted: int) -> bool:
    """Whether all that ends at `wanted` or before is applied.

    Postgres gives the place of the next record, and at the end of a page that is after the header of the next one.  No record ends in between.
    """
    if applied % _SMALLEST_SEGMENT_BYTES == 0:
        applied += _SEGMENT_HEADER_BYTES
    elif applied % _PAGE_BYTES == 0:
        applied += _PAGE_HEADER_BYTES
    return applied >= wanted


def wait_for(
    types: Sequence[type[Document]],
    lsn: int | str | Committed,
    timeout: float,
    refreshed: bool,
    options: Options,
) -> Operation[None]:
    """Return when the index of each type has applied everything up to the position."""
    wanted, deadline = position(lsn), time.monotonic() + timeout
    for type_ in types:
        yield from _wait_for(type_, wanted, deadline, timeout, options)
    if refreshed:
        yield from refresh(types, options)


def _wait_for(
    type_: type[Document], wanted: int, deadline: float, timeout: float, options: Options
) -> Operation[None]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        applied = yield from _applied(type_, options)
        if applied is not None and is_applied(applied, wanted):
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeout(_late(type_, applied, wanted, timeout, options))
        yield Pause(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _applied(type_: type[Document], options: Options) -> Operation[int | None]:
    """The position of what searches see now; None where no worker has recorded any."""
    alias = type_.__binding__.alias(options.prefix)
    least: int | None = None
    holders = yield Request(f"alias {alias}", "GET", path(alias, "_alias"))
    for index in holders:
        found = yield Request(
            f"what {index} has applied",
            "GET",
            path(f"{options.prefix}flusso_meta", "_doc", f"applied:{index}"),
            allow=(HTTPStatus.NOT_FOUND,),
        )
        if not found.get("found"):
            return None
        lsn: int = found["_source"]["lsn"]
        least = lsn if least is None else min(least, lsn)
    return least


def _late(
    type_: type[Document], applied: int | None, wanted: int, timeout: float, options: Options
) -> str:
    alias = type_.__binding__.alias(options.prefix)
    if applied is None:
        return f"no worker has recorded yet what {alias} has applied: none runs, or it is of an older version"
    return (
        f"{alias} has not applied {_text(wanted)} within {timeout:g} s; it has applied {_text(applied)}. See the lag of the"
        " index with `flusso indexes`"
    )


def _text(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
