"""Logging to stderr, as text or as JSON lines.  Row values and passwords are never logged."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flusso_shared.errors import ConfigError
from flusso_shared.process.log_actions import ACTIONS

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_NOISY = ("opensearch", "uvicorn", "asyncio", "botocore")
_SPEAKS_FOR_OTHERS = "urllib3"
"""Its warnings are about attempts, which those that make them report, and about its own pools."""
_TALKATIVE = ("botocore.auth",)
"""They log secrets at the level of debug: here the headers that are signed, with the session token."""
_OURS = "flusso_"
_FIRST_INTERVAL_SECONDS = 5.0
_LONGEST_INTERVAL_SECONDS = 600.0
_MOST_REMEMBERED = 1000


def configure(env: Mapping[str, str]) -> None:
    """Set the root logger up from `FLUSSO_LOG` or `RUST_LOG` (`info,flusso_worker=debug`) and
    `FLUSSO_LOG_FORMAT` (`json` or `text`).

    Raises `ConfigError` for an unknown level in `FLUSSO_LOG`, and for an unknown format.  Levels of `RUST_LOG`, which
    other programs read too, may be unknown.
    """
    levels = _levels(env)
    handler = _StderrHandler()
    colours = sys.stderr.isatty() and "NO_COLOR" not in env
    handler.setFormatter(JsonFormatter() if _as_json(env) else TextFormatter(colours=colours))
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_SPEAKS_FOR_OTHERS).setLevel(logging.ERROR)
    for target, level in levels.items():
        logging.getLogger(target or None).setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)


def _levels(env: Mapping[str, str]) -> dict[str, int]:
    given = env.get("FLUSSO_LOG")
    known, unknown = directives(env.get("RUST_LOG", "") if given is None else given)
    if unknown and given is not None:
        raise ConfigError(
            f"FLUSSO_LOG: unknown level {unknown[0]!r}; there are {', '.join(_LEVELS)}, as in"
            " info,flusso_worker.pipeline=debug"
        )
    return known


def _as_json(env: Mapping[str, str]) -> bool:
    found = env.get("FLUSSO_LOG_FORMAT", "")
    if found.lower() not in ("", "text", "json"):
        raise ConfigError(f"FLUSSO_LOG_FORMAT: unknown format {found!r}; it is text or json")
    return found.lower() == "json"


def directives(text: str) -> tuple[dict[str, int], list[str]]:
    """`level` and `target=level` entries, target "" being the default; and the levels that are unknown."""
    found: dict[str, int] = {}
    unknown: list[str] = []
    for entry in filter(None, map(str.strip, text.split(","))):
        target, equals, level = entry.rpartition("=")
        value = _LEVELS.get(level.strip().lower())
        if value is None:
            unknown.append(level.strip())
        else:
            found[target.strip().replace("::", ".") if equals else ""] = value
    return found, unknown


# --- repeats ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Repeated:
    """A line that came before."""

    next_at: float
    """When it is written again."""
    interval: float
    left_out: int = 0


class RepeatLimiter:
    """Which of many equal lines are written: the first, and others at intervals that double from 5 s to 10 minutes.

    A line that has not come for twice its interval is a first one again.  Pure: `now` is given, in seconds.
    """

    def __init__(self) -> None:
        self._lines: dict[object, _Repeated] = {}

    def admit(self, line: object, now: float) -> int | None:
        """How many lines were left out since the last one, where this one is to be written; None where it is not."""
        known = self._lines.pop(line, None)
        if known is None or now > known.next_at + 2 * known.interval:
            if len(self._lines) >= _MOST_REMEMBERED:
                del self._lines[next(iter(self._lines))]
            known = _Repeated(now + _FIRST_INTERVAL_SECONDS, _FIRST_INTERVAL_SECONDS)
            self._lines[line] = known
            return 0
        # The newest is the last to be forgotten.
        self._lines[line] = known
        if now < known.next_at:
            known.left_out += 1
            return None
        left_out, known.left_out = known.left_out, 0
        known.interval = min(2 * known.interval, _LONGEST_INTERVAL_SECONDS)
        known.next_at = now + known.interval
        return left_out


class RepeatFilter(logging.Filter):
    """Leaves out repeats of warnings and errors that come while their reason lasts; `left_out` counts them.

    These are the lines whose `action` says so, and all of other packages.  Two are equal when they differ in
    digits only: delays, counts, ports.
    """

    def __init__(self) -> None:
        super().__init__()
        self._limiter = RepeatLimiter()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not _repeats(record):
            return True
        line = (record.name, record.levelno, _DIGITS.sub("0", record.getMessage()))
        with self._lock:
            left_out = self._limiter.admit(line, record.created)
        if left_out:
            record.left_out = left_out
        return left_out is not None


_DIGITS = re.compile(r"\d+(\.\d+)?")


def _repeats(record: logging.LogRecord) -> bool:
    action = ACTIONS.get(getattr(record, "action", ""))
    return not record.name.startswith(_OURS) if action is None else action.repeats


# --- how a line is written --------------------------------------------------------------------------


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever stderr is now: a progress display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _timestamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """`<time>  INFO <target>: <message> key=value`."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname:>7}"
        if self._colours and record.levelname in _COLOURS:
            level = f"{_COLOURS[record.levelname]}{level}\x1b[0m"
        pairs = "".join(f" {key}={value}" for key, value in _extra(record).items())
        text = f"{_timestamp(record)} {level} {record.name}: {record.getMessage()}{pairs}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """One object per line: `timestamp`, `level`, `target`, `fields` with the message and what goes with it."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {"message": record.getMessage(), **_extra(record)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        line = {
            "timestamp": _timestamp(record),
            "level": "WARN" if record.levelname == "WARNING" else record.levelname,
            "target": record.name,
            "fields": fields,
        }
        return json.dumps(line, default=str, ensure_ascii=False)
