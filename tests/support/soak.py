"""What runs in `just soak` only: the long forms of tests whose short forms everybody runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SOAK = bool(os.environ.get("FLUSSO_TEST_SOAK"))


def also(usual: Sequence[T], soak: Sequence[T]) -> list[T]:
    """The usual ones, and in a soak those as well."""
    return [*usual, *soak] if SOAK else [*usual]


def seconds(usual: float, soak: float) -> float:
    """How long something is broken."""
    return soak if SOAK else usual
