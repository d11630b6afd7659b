"""Every `action` of a log line: what it means, and what an operator does about it.

A line of level WARNING or ERROR has one; `tests/unit/test_documentation.py` compares them with the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One `action`."""

    meaning: str
    do: str = ""
    """What to do about it; empty where it is only reported, or passes by itself."""
    repeats: bool = False
    """Whether such a line comes again and again while its reason lasts.  Lines that differ in digits only are then
    written at growing intervals (`logs.RepeatLimiter`)."""


_NOTHING = "Nothing, if it passes; else what the message names."

ACTIONS: Mapping[str, Action] = {
    # --- the process ------------------------------------------------------------------------------
    "default_password": Action(
        "The private address has the password that everyone knows.",
        "Set `--admin-password` or `FLUSSO_ADMIN_PASSWORD`.",
    ),
    "failpoint": Action("`FLUSSO_FAILPOINT` is set.", "Unset it: it is for tests."),
    "listen": Action("A surface listens at this address."),
    "lock_secret": Action("The lock has no secret for this value, which comes from a variable."),
    "override": Action("An environment variable sets an address of the configuration."),
    "port_taken": Action(
        "Another process listens on the default port of a surface, which gets a free one.",
        "Choose ports with `--public-address` and `--private-address`, where a fixed one is needed.",
    ),
    "progress": Action(
        "How far a seeding or the snapshot of a table is, where there is no terminal."
    ),
    "shutdown": Action("A signal asked the process to stop."),
    "start": Action("What the process is and does, once every server has answered."),
    "stopped": Action("The process has stopped cleanly."),
    "telemetry": Action(
        "What is sent to OpenTelemetry, and why it cannot be.",
        "Correct the `OTEL_*` variable, or install the extra `otel`.",
    ),
    "status_page": Action(
        "A look at the deployment for the charts of the status page failed.",
        "Report it as a defect; the rest of the process goes on.",
    ),
    # --- servers that do not answer ---------------------------------------------------------------
    "kafka_degraded": Action("Kafka's client reports an error, and keeps trying.", _NOTHING, True),
    "retry": Action("Something failed and is tried again.", _NOTHING, True),
    # --- capture ----------------------------------------------------------------------------------
    "await_earlier": Action("The start waits for transactions that are older than the new slot."),
    "await_writers": Action(
        "The start waits for transactions that wrote to tables before they were published.",
        "End the sessions in the message if they are forgotten ones.",
    ),
    "create_slot": Action("The replication slot is created."),
    "drop_slot": Action("The replication slot is dropped, to be created again."),
    "generated_columns": Action(
        "Generated columns that link rows cannot be computed for a row in the log.",
        "Repair the column's expression; `flusso verify` finds what became stale.",
    ),
    "index_unsound": Action(
        "The database lacks what this index reads.", "Bring it back, or change the schema file."
    ),
    "new_lineage": Action("A history begins: every index is built from it."),
    "partitions": Action("Partitions were attached, detached or dropped."),
    "position_lost": Action(
        "The slot was lost or moved, or a database was restored: every index is rebuilt.",
        "Find the cause; the rebuild runs by itself.",
    ),
    "publication": Action("A statement about the publication was executed."),
    "replica_identity": Action(
        "The log lacks, or lacked, old values of columns that link rows.",
        "Run the statement in the message, unless the line says that it was executed.",
    ),
    "replica_identity_lost": Action(
        "A table has no replica identity, and Postgres refuses its UPDATEs and DELETEs. Another one is set.",
        "Keep the index that the identity uses.",
    ),
    "resync": Action("A table is read again, because changes may have been missed."),
    "slot_at_risk": Action(
        "Postgres is about to remove log that the slot needs.",
        "Raise `max_slot_wal_keep_size`, and find what delays capture.",
    ),
    "snapshot_begin": Action("The snapshot of a table begins or goes on."),
    "snapshot_complete": Action("The snapshot of a table is complete."),
    "snapshot_skipped": Action("`--skip-backfill` skipped the snapshot of a table."),
    "stream": Action("Capture streams from the slot."),
    "table_altered": Action(
        "A migration changed what rows read as; documents with them are built again."
    ),
    "table_gone": Action(
        "A table was dropped or renamed.", "Bring it back, or change the schema files."
    ),
    "table_refused": Action(
        "Changes of a table are not in the log, or rows of it are hidden.",
        "Run the statement in the message.",
    ),
    "table_unreadable": Action(
        "A table cannot be read, and its snapshot waits.", "Do what the message names."
    ),
    "table_unsound": Action(
        "A table lacks a column or its key.", "Bring it back, or change the schema files."
    ),
    "two_phase_off": Action("The slot is created again without `two_phase`."),
    "unreadable_row": Action(
        "A row has bytes that are no text in the database's encoding.",
        "Convert the column, or the database to UTF8.",
    ),
    # --- the change log ---------------------------------------------------------------------------
    "assigned": Action("A worker took partitions."),
    "control_topic_recreated": Action(
        "The control topic was deleted and created again.", "Find out who deleted it."
    ),
    "leave_unfinished": Action("A worker could not leave its group in order."),
    "max_poll_exceeded": Action(
        "A batch took longer than `max.poll.interval.ms`; the worker joins again.",
        "Raise it in `[queue.properties]` if this repeats.",
        True,
    ),
    "revoked_unfinished": Action("Partitions were given up before their documents were written."),
    "topic_created": Action("A topic was created."),
    "topic_policy": Action(
        "A topic does not keep the last change of each row.", "Set `cleanup.policy=compact` on it."
    ),
    # --- workers ----------------------------------------------------------------------------------
    "bind_again": Action("A table changed, and the index reads the catalog again."),
    "burn_transactions": Action(
        "After a crash of Postgres, versions are ahead of the database; the gap is closed."
    ),
    "create_generation": Action("A generation of an index is made, and why."),
    "delete_generation": Action("A superseded generation is deleted."),
    "drain": Action("A worker finishes what is in flight."),
    "evict": Action(
        "A stopped or paused index, or one that cannot be discarded, holds back others.",
        "Repair the index that stopped, or resume the paused one.",
        True,
    ),
    "gate_shut": Action(
        "A commit is in the log, and not visible to other sessions for long.",
        "See `pg_stat_replication`: a synchronous standby lags or is gone.",
        True,
    ),
    "heartbeat": Action("A worker's entry in `flusso_meta` is not renewed.", _NOTHING, True),
    "hold_changes": Action("Changes wait until every index is ready to read.", _NOTHING, True),
    "index_stopped": Action(
        "An index has stopped and is tried again.", "Repair what the message names.", True
    ),
    "pause": Action("An operator has paused an index, or resumed it."),
    "promote_generation": Action("A generation is seeded, and answers queries from now on."),
    "quarantine_cleared": Action("Documents were written and left the quarantine."),
    "quarantine_retry": Action(
        "A retry that was begun on the status page ended before its end.",
        "Repair what the message names, and retry the documents that are left.",
    ),
    "quarantined": Action(
        "A document was skipped.",
        "Repair the row or the schema; see `flusso quarantine list`.",
    ),
    "register": Action("A process cannot write its entry in `flusso_meta`.", _NOTHING, True),
    "standby": Action("The worker leaves an index to workers with a newer schema, or takes over."),
    "unresolved": Action(
        "The documents of a changed row cannot be found, and were skipped.",
        "Repair the row or the types of the columns.",
    ),
    "verify": Action("A verification by `verify_every` has ended, or failed.", "See the report."),
    "verify_behind": Action(
        "A verification compares while changes are in flight.", "Check that the worker runs."
    ),
}
"""Name -> what it is, by part of the product."""
