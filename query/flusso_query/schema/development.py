"""Checks a projection when it is defined, where a compiled configuration is at hand: the compiler's part, in Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pydantic import BaseModel

from flusso_query.binding import Binding
from flusso_query.errors import SchemaMismatchError
from flusso_query.schema import lock
from flusso_query.schema.check import problems

_off: ContextVar[bool] = ContextVar("off", default=False)


def check(model: type[BaseModel], binding: Binding) -> None:
    """Raise `SchemaMismatchError` with all that does not fit.

    Generated models are not checked here: `flusso models check` does that, and importing them must not fail between a
    change of the schema and `flusso models generate`.
    """
    if binding.complete or _off.get() or lock.is_off():
        return
    path = lock.find(_folder(model))
    if path is None:
        return
    found = problems(model, binding, lock.read(path))
    if found:
        error = SchemaMismatchError(found)
        error.add_note(f"The schema is that of {path}; `flusso build` compiles it again.")
        raise error


@contextmanager
def left_out() -> Iterator[None]:
    """Models that are defined in this block are not checked."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def _folder(model: type[BaseModel]) -> Path:
    file = getattr(sys.modules.get(model.__module__), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()
