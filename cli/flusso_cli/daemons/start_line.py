"""The line that says what a process is and does, once every server has answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from flusso_cli.daemons.presence import Myself
from flusso_shared import release
from flusso_shared.status import Status

logger = logging.getLogger(__name__)

_PROGRAMS = {"capture": "flusso-capture", "worker": "flusso-worker", "run": "flusso run"}


def started(
    myself: Myself, file: Path, status: Status, *, skips_snapshots: bool = False
) -> Callable[[], None]:
    """Logs the line; `file` is the configuration or the lock."""

    def log() -> None:
        logger.info(
            "%s",
            start_line(myself, file, status.servers.versions(), skips_snapshots=skips_snapshots),
            extra={"action": "start", "version": release.version(), "config": str(file)},
        )

    return log


def start_line(
    myself: Myself,
    file: Path,
    servers: Mapping[str, str | None],
    *,
    skips_snapshots: bool = False,
) -> str:
    """Program and version, configuration, what the process does, and the servers with their versions."""
    plan, config = myself.project.plan, myself.project.config
    indexes = ", ".join(index.name for index in plan.indexes) or "none"
    sinks = ", ".join(sink.name for sink in config.sinks) or "stdout"
    topics = f"Kafka topics {config.queue.topic_prefix}.*"
    read = f"slot {myself.slot}, publication {myself.publication}"
    does = {
        "capture": f"publishes changes of {len(plan.tables)} tables ({read}) to {topics}",
        "worker": f"reads {topics} and keeps indexes {indexes} in sinks {sinks}",
        "run": f"reads changes of {len(plan.tables)} tables ({read}) and keeps indexes {indexes} in sinks {sinks}",
    }[myself.part]
    if skips_snapshots:
        does += ", without the rows that exist already"
    prefix = f" with the prefix {myself.prefix}" if myself.prefix else ""
    named = [f"{name} {version or '(version unknown)'}" for name, version in servers.items()]
    return (
        f"{_PROGRAMS[myself.part]} {release.version()} (revision {release.revision()}), {file}:"
        f" {does}{prefix}; servers: {', '.join(named)}"
    )
