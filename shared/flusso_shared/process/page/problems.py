"""What is wrong in an overview, and what an operator does about it.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["degraded", "failing"]
_Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the page; `where` is unique among them."""

    level: Level
    where: str
    what: str
    todo: str
    follows: bool = False
    """Whether a server that does not answer may be the reason."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def problems(overview: _Document) -> list[Problem]:
    """What is wrong, in the order of the flow: source, queue, sinks, processes, indexes."""
    servers = [
        *_of_source(overview["source"]),
        *_of_queue(overview["queue"]),
        *(found for sink in overview["sinks"] for found in _of_sink(sink)),
    ]
    away = any(part["error"] for part in _servers(overview))
    others = [
        *_of_missing_processes(overview),
        *_of_processes(overview["processes"]),
        *(found for index in overview["indexes"] for found in _of_index(index)),
    ]
    # While a server does not answer, what waits for it is no problem of its own.
    return servers + [found for found in others if not (away and found.follows)]


def _servers(overview: _Document) -> list[_Document]:
    return [overview["source"], overview["queue"], *overview["sinks"]]


def _of_source(source: _Document) -> Iterator[Problem]:
    slot = f"Slot {source['slot']}"
    if source["error"]:
        yield Problem(
            "failing",
            "Postgres",
            source["error"],
            "Check that Postgres runs and accepts the address and the role of [source]; `flusso check` says which part"
            " fails. The processes try again by themselves.",
        )
    if source["wal_status"] == "lost":
        yield Problem(
            "failing",
            slot,
            "Postgres has removed log that was not read yet: the slot is invalidated.",
            "Drop it with `flusso slot drop`, then start capture: it makes a new one, and every index is rebuilt."
            " Raise max_slot_wal_keep_size before that.",
        )
    elif source["wal_status"] == "unreserved":
        yield Problem(
            "failing",
            slot,
            "Postgres removes log that was not read yet at its next checkpoint.",
            "Raise max_slot_wal_keep_size now and reload Postgres; then see why capture does not follow.",
        )
    elif source["active"] is False:
        yield Problem(
            "degraded",
            slot,
            "No process reads the slot, and Postgres keeps the log for it.",
            "Start flusso-capture (or `flusso run`); where it runs, its log says what it waits for.",
        )


def _of_queue(queue: _Document) -> Iterator[Problem]:
    if queue["error"]:
        yield Problem(
            "failing",
            "Kafka",
            queue["error"],
            "Check that the brokers of [queue] run and accept this user. Positions are kept; the processes try again"
            " by themselves.",
        )


def _of_sink(sink: _Document) -> Iterator[Problem]:
    if sink["error"]:
        yield Problem(
            "failing",
            f"OpenSearch {sink['name']}"
            if sink["kind"] == "opensearch"
            else f"Sink {sink['name']}",
            sink["error"],
            f"Check that it runs at the address of [sinks.{sink['name']}], has disk space and accepts this user."
            " Nothing is lost meanwhile; the workers try again by themselves.",
        )


def _of_missing_processes(overview: _Document) -> Iterator[Problem]:
    """The parts of which no process runs; known where the registry in the first OpenSearch sink answers."""
    sinks = [sink for sink in overview["sinks"] if sink["kind"] == "opensearch"]
    if not sinks or any(sink["error"] for sink in sinks):
        return
    parts = {item["part"] for item in overview["processes"] if item["state"] == "alive"}
    if not parts & {"capture", "run"} and overview["source"]["active"] is not True:
        yield Problem(
            "failing",
            "Capture",
            "No process captures: changes wait in the log of Postgres.",
            "Start flusso-capture, or `flusso run` where there is no Kafka.",
        )
    if not parts & {"worker", "run"} and overview["queue"]["kind"] == "kafka":
        yield Problem(
            "failing",
            "Workers",
            "No worker runs: changes wait in Kafka.",
            "Start flusso-worker, one or more of them.",
        )


def _of_processes(processes: Sequence[_Document]) -> Iterator[Problem]:
    """Those that are silent, and what the others say of themselves; the same of several is one problem."""
    said: dict[tuple[Level, str], list[str]] = {}
    for process in processes:
        name = f"{process['part']} {process['host']}:{process['pid']}"
        ago = process["heartbeat_seconds_ago"]
        if process["state"] == "silent":
            yield Problem(
                "degraded",
                f"{name} ({process['id']})",
                "It has ended without saying so, or hangs"
                + ("." if ago is None else f": its last sign of life is {ago:.0f} s old."),
                "Look at its log and restart it. Other workers take over its part of the indexes.",
            )
        health = process["health"]
        # Indexes that have stopped have entries of their own.
        reasons = (
            [each for each in health["reasons"] if " has stopped" not in each] if health else []
        )
        if health and reasons and health["state"] != "ok":
            said.setdefault((health["state"], "; ".join(reasons)), []).append(name)
    for (level, what), names in said.items():
        todo = (
            "Read the log of that process, then restart it: it makes no progress, and no server explains that."
            if level == "failing"
            else "It goes on by itself once that has passed; repair what is named."
        )
        yield Problem(level, ", ".join(names), what, todo, follows=level == "degraded")


def _of_index(index: _Document) -> Iterator[Problem]:
    where = f"Index {index['index']}"
    if index["state"] == "stopped":
        yield Problem(
            "failing",
            where,
            index["last_error"] or "It has stopped; the log of its worker says why.",
            "Repair what is named; the index keeps its position and is tried again by itself.",
        )
    elif index["paused"]:
        yield Problem(
            "degraded",
            where,
            "It is paused: its documents are not updated, and its lag grows.",
            "Resume it, below or with `flusso resume`, when the reason is over.",
        )
    elif index["last_error"]:
        yield Problem(
            "degraded",
            where,
            index["last_error"],
            "It is tried again by itself; repair what is named if that does not pass.",
            follows=True,
        )
    if index["quarantine"]:
        yield Problem(
            "degraded",
            f"Quarantine of {index['index']}",
            f"{index['quarantine']} documents are in quarantine: the index has an earlier version of them, or none.",
            "Read the reasons below, repair the rows or the schema, then retry them.",
        )
