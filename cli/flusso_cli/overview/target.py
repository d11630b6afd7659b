"""The deployment that is looked at, and how its parts are reached from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flusso_cli.overview.bookkeeping import Bookkeeping
from flusso_cli.overview.model import Sink
from flusso_cli.registry.entry import Entry
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.seams import ChangeLog
from flusso_worker.sinks.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Target:
    """The deployment that is looked at."""

    plan: Plan
    """Of the configuration."""
    index_prefix: str
    topic_prefix: str
    conninfo: Callable[[], Conninfo]
    log: Callable[[], ChangeLog]
    """The change log, as far as it can be read from here: that in Kafka, or that of this process."""
    log_name: str
    """For messages."""
    bookkeeping: Bookkeeping | None
    """None where it cannot be reached from here."""
    sinks: Sequence[tuple[Sink, Cluster | None]]
    """With the cluster of those that have one."""
    slot: str | None = None
    """None takes that of the capture that runs."""
    in_memory: bool | None = None
    """Whether the change log is in the memory of `flusso run`; None where that is found out by the records."""
    own: Callable[[], Entry] | None = None
    """The entry of this process, if it is one of the deployment."""
