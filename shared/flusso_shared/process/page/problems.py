"""What is wrong in an overview, and what an operator does about it.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def problems(overview: _Document) -> list[Problem]:
    """What is wrong, in the order of the flow: source, queue, sinks, processes, indexes."""
    return [
        *_of_source(overview["source"]),
        *_of_queue(overview["queue"]),
        *(found for sink in overview["sinks"] for found in _of_sink(sink)),
        *_of_processes(overview["processes"]),
        *(found for index in overview["indexes"] for found in _of_index(index)),
    ]


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


def _of_processes(processes: list[_Document]) -> Iterator[Problem]:
    for process in processes:
        where = f"{process['part']} {process['host']}:{process['pid']} ({process['id']})"
        ago = process["heartbeat_seconds_ago"]
        if process["state"] == "silent":
            yield Problem(
                "failing",
                where,
                "It has ended without saying so, or hangs"
                + ("." if ago is None else f": its last sign of life is {ago:.0f} s old."),
                "Look at its log and restart it. Other workers take over its part of the indexes.",
            )
        elif process["state"] == "alive" and not process["answers"]:
            yield Problem(
                "degraded",
                where,
                f"It does not answer at its public address {process['public']}.",
                "Check that this process can reach that address (a firewall, or 127.0.0.1 of another machine:"
                " --public-address), and the log of that process.",
            )
        elif process["last_error"]:
            yield Problem(
                "degraded",
                where,
                process["last_error"],
                "The log of that process says whether it goes on by itself.",
            )


def _of_index(index: _Document) -> Iterator[Problem]:
    where = f"Index {index['index']}"
    if index["last_error"]:
        yield Problem(
            "failing",
            where,
            index["last_error"],
            "Repair what it names; the index keeps its position and is tried again by itself.",
        )
    elif index["quarantine"]:
        yield Problem(
            "degraded",
            where,
            f"{index['quarantine']} documents are in quarantine: the index has an earlier version of them, or none.",
            "Read the reasons below, repair the rows or the schema, then retry them.",
        )
