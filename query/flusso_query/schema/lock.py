"""Finds and reads `flusso.lock`, which `flusso build` and every process write: the schema of each index."""

from __future__ import annotations

import json
import os
from functools import cache, lru_cache
from pathlib import Path

from flusso_query.errors import SchemaMismatchError
from flusso_query.schema.shape import IndexShape, index_shape

VARIABLE = "FLUSSO_LOCK"
"""Path of the lock file."""
CHECK_VARIABLE = "FLUSSO_MODELS_CHECK"
"""`off`: models are not checked when they are imported."""
NAME = "flusso.lock"
_FORMAT = 1


def find(near: Path) -> Path | None:
    """The file that the variable names, or else the first `flusso.lock` in the folder `near` or one above it."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else _above(near)


def is_off() -> bool:
    """Whether models are not checked when they are imported."""
    return os.environ.get(CHECK_VARIABLE, "").lower() == "off"


@cache
def _above(folder: Path) -> Path | None:
    return next((path for at in (folder, *folder.parents) if (path := at / NAME).is_file()), None)


def read(path: Path) -> dict[str, IndexShape]:
    """Every index by name.  Raises `SchemaMismatchError` on a file that is not there, or is none."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise _unreadable(path, "it is not there") from None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int) -> dict[str, IndexShape]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["format_version"] != _FORMAT:
            raise _unreadable(path, "it is of another version of flusso")
        return {shape.name: shape for shape in map(index_shape, value["indexes"])}
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, f"it is damaged: {error!r}") from error


def _unreadable(path: Path, reason: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        [f"cannot read the compiled configuration {path}: {reason}; make it with `flusso build`"]
    )
