"""Numbers as an operator reads them.  Pure."""

from __future__ import annotations

from flusso_cli.overview.model import Index

UNKNOWN = "?"
NOTHING = "-"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_KILO = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
BEHIND_SECONDS = 5.0
"""From such a lag on an index counts as behind: commits come in bursts."""


def count(value: int | None) -> str:
    """A whole number."""
    return UNKNOWN if value is None else f"{value:,}"


def rate(value: float | None) -> str:
    """A number per second."""
    if value is None:
        return NOTHING
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"


def size(value: int | None) -> str:
    """Bytes, with three digits or so."""
    if value is None:
        return UNKNOWN
    scaled, unit = float(value), 0
    while scaled >= _KILO and unit < len(_UNITS) - 1:
        scaled, unit = scaled / _KILO, unit + 1
    digits = 1 if unit and scaled < 100 else 0
    return f"{scaled:,.{digits}f} {_UNITS[unit]}"


def duration(seconds: float | None) -> str:
    """The two largest units: `42 s`, `3 m 12 s`, `2 d 4 h`."""
    if seconds is None:
        return UNKNOWN
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} m"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02} h"


def is_behind(index: Index) -> bool:
    """Whether its lag is more than that of the changes that are being applied now."""
    if not index.lag:
        return False
    return index.lag_seconds is None or index.lag_seconds >= BEHIND_SECONDS


def eta(index: Index) -> str:
    """When it has caught up; or that its lag does not shrink."""
    if not index.lag or not is_behind(index):
        return NOTHING
    if index.eta_seconds is not None:
        return duration(index.eta_seconds)
    if index.rate is None:
        return NOTHING
    return "stands still" if index.rate == 0 else "lag grows"
