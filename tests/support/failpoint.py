"""Settings of `FLUSSO_FAILPOINT` for `Daemon.start`; the type checker knows the places."""

from __future__ import annotations

from flusso_shared.failpoints import Place


def exit_at(place: Place, hit: int | None = None) -> str:
    """End the process there, at the given hit only (from 1) or at the first."""
    return f"{place}:exit" if hit is None else f"{place}:exit@{hit}"


def delay_at(place: Place, milliseconds: int) -> str:
    """Hold the thread there, each time."""
    return f"{place}:delay={milliseconds}ms"
