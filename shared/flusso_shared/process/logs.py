"""Logging to stderr, as text or as JSON lines.  Row values and passwords are never logged."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

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
_NOISY = ("opensearch", "urllib3", "uvicorn", "asyncio", "botocore")
_TALKATIVE = ("botocore.auth",)
"""They log secrets at the level of debug: here the headers that are signed, with the session token."""


def configure(env: Mapping[str, str]) -> None:
    """Set the root logger up from `FLUSSO_LOG` or `RUST_LOG` (`info,flusso_worker=debug`) and
    `FLUSSO_LOG_FORMAT` (`json`, else text)."""
    handler = _StderrHandler()
    colours = sys.stderr.isatty() and "NO_COLOR" not in env
    as_json = env.get("FLUSSO_LOG_FORMAT", "").lower() == "json"
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter(colours=colours))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for target, level in directives(env.get("FLUSSO_LOG", env.get("RUST_LOG", ""))).items():
        logging.getLogger(target or None).setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)


def directives(text: str) -> dict[str, int]:
    """`level` and `target=level` entries, target "" being the default; unknown ones are ignored."""
    found: dict[str, int] = {}
    for entry in text.split(","):
        target, equals, level = entry.strip().rpartition("=")
        value = _LEVELS.get(level.strip().lower())
        if value is not None:
            found[target.strip().replace("::", ".") if equals else ""] = value
    return found


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
