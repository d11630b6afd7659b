"""The offsets of a change log, read once for all indexes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flusso_cli.overview.model import Topic
from flusso_cli.overview.question import ask_all
from flusso_cli.overview.rates import Position
from flusso_shared.changelog.topic_names import table_part, topic_name
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import ChangeLog, Offsets, TopicPartition
from flusso_worker.generations.record import Generation

_AT_ONCE = 16
"""Groups: each is asked through a consumer of its own."""
_GROUP_SECONDS = 20.0
"""Longer than a request to Kafka takes at most."""


@dataclass(frozen=True, slots=True)
class LogOffsets:
    """What a change log answered; `flusso_worker.generations.view.ReadOffsets`."""

    at: float
    """When, in monotonic seconds."""
    topics: Mapping[TableName, str]
    """Of all tables that were asked for, those included whose topic does not exist."""
    read: Mapping[TopicPartition, int]
    """The end of each partition."""
    groups: Mapping[str, Offsets]
    """What each group has committed; a group that could not be asked is absent."""
    generations: Sequence[Generation]
    """Whose groups these are."""
    error: str | None = None
    """What is missing, or could not be read."""

    def ends(self, tables: Collection[TableName]) -> Offsets:
        """As `Groups.ends`, but without the topics that do not exist."""
        names = {self.topics[table] for table in tables}
        return {at: end for at, end in self.read.items() if at.topic in names}

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        """As `Groups.committed`."""
        if group not in self.groups:
            raise RetryableError(f"the offsets of group {group} were not read")
        return self.groups[group]

    def position(self, generation: Generation, topic_prefix: str) -> Position | None:
        """Where the group of a generation is; None before its first commit."""
        committed = self.groups.get(generation.name.group(topic_prefix))
        if not committed:
            return None
        ends = self.ends(generation.plan.tables)
        applied = (committed.get(at, generation.starts.get(at, 0)) for at in ends)
        return Position(sum(applied), sum(ends.values()))

    def shown(self) -> list[Topic]:
        """The topics, by name."""
        shown: list[Topic] = []
        for table, topic in sorted(self.topics.items(), key=lambda item: item[1]):
            ends = [end for at, end in self.read.items() if at.topic == topic]
            exists = (len(ends), sum(ends)) if ends else (None, None)
            shown.append(Topic(topic, str(table), *exists))
        return shown


def read_offsets(
    log: ChangeLog,
    topic_prefix: str,
    tables: Iterable[TableName],
    generations: Sequence[Generation],
) -> LogOffsets:
    """The ends of the tables' topics, and what the groups of the generations have committed.

    Raises `RetryableError` when the log does not answer.
    """
    wanted = {*tables, *(table for item in generations for table in item.plan.tables)}
    topics = {table: _topic(log, topic_prefix, table) for table in wanted}
    missing = [topic for topic in log.missing(wanted) if topic in topics.values()]
    existing = {table for table, topic in topics.items() if topic not in missing}
    # The ends last: a group is never ahead of them.
    committed, failures = _committed(log, topic_prefix, existing, generations)
    ends = log.groups.ends(existing)
    errors = [f"topics do not exist: {', '.join(missing)}"] if missing else []
    return LogOffsets(
        at=time.monotonic(),
        topics=topics,
        read=ends,
        groups=committed,
        generations=generations,
        error="; ".join([*errors, *failures[:1]]) or None,
    )


def _committed(
    log: ChangeLog,
    topic_prefix: str,
    existing: Collection[TableName],
    generations: Sequence[Generation],
) -> tuple[dict[str, Offsets], list[str]]:
    """Per group its offsets; and why groups could not be asked."""
    actions: dict[str, Callable[[], Offsets]] = {}
    for item in generations:
        tables = [table for table in item.plan.tables if table in existing]
        group = item.name.group(topic_prefix)
        actions[group] = partial(log.groups.committed, group, tables)
    found: dict[str, Offsets] = {}
    failures: list[str] = []
    names = list(actions)
    for start in range(0, len(names), _AT_ONCE):
        part = {name: actions[name] for name in names[start : start + _AT_ONCE]}
        for name, answer in ask_all(part, time.monotonic() + _GROUP_SECONDS).items():
            if answer.value is not None:
                found[name] = answer.value
            elif answer.error is not None:
                failures.append(answer.error)
    return found, failures


def _topic(log: ChangeLog, prefix: str, table: TableName) -> str:
    return topic_name(prefix, table) if log.durable else table_part(table)
