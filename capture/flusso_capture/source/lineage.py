"""The lineage (invariant I6): which history of which slot the published changes and snapshots belong to.

Before streaming, the slot is compared with what was recorded of it.  `lost` is pure; `resume_or_begin` acts on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flusso_capture.source import ddl
from flusso_capture.source import slot as slots
from flusso_capture.source.connection import Connection
from flusso_shared import failpoints
from flusso_shared.change import Origin
from flusso_shared.changelog.control_records import (
    LINEAGE_KEY,
    Checkpoint,
    Lineage,
    checkpoint_of,
    lineage_of,
)
from flusso_shared.clock import Clock
from flusso_shared.config.choices import OnLostPosition
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.seams import Control

logger = logging.getLogger(__name__)

_PENDING_KEY = "slot_pending"
_FLUSHED = "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn"


class PositionLostError(RetryableError):
    """The stream cannot resume at the confirmed LSN.  `resume_or_begin` then begins a new lineage, or raises `FatalError`."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server that capture is connected to."""

    origin: Origin
    flushed: int
    """The LSN up to which its log is flushed."""
    left_at: Callable[[int], int | None]
    """The LSN at which its log left an earlier timeline; None for a timeline that is not its ancestor."""


@dataclass(frozen=True, slots=True)
class LineageOptions:
    """The slot to stream from, and what to do when it cannot be resumed."""

    slot: str
    policy: OnLostPosition
    lost_reason: str | None = None
    """Why the stream cannot resume, if that is known already."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where the stream resumes."""

    slot: slots.Slot
    checkpoint: Checkpoint
    lost_reason: str | None = None
    """Why it does not resume where it was, but in a new lineage."""


def resume_or_begin(
    connection: Connection, control: Control, options: LineageOptions, server: Server, clock: Clock
) -> Resumed:
    """The slot, created if needed, and its checkpoint; both are recorded if they are new.

    Raises `FatalError` when changes are lost and the policy is to stop.
    """
    # The slot is read before the records: another process that streams records its checkpoint before it confirms the slot.
    found = slots.read(connection, options.slot)
    records = control.load()
    recorded = lineage_of(records)
    pending = records.get(_PENDING_KEY, {})
    drop, reason = bool(pending.get("drop")), None
    if recorded is not None and pending.get("slot") != options.slot:
        checkpoint = checkpoint_of(records, recorded)
        reason = options.lost_reason or lost(recorded, checkpoint, found, server, options.slot)
        if reason is None:
            assert found is not None, "`lost` gives a reason when there is no slot"
            return Resumed(found, checkpoint or _record(control, recorded, server, found))
        _refuse(reason, options.policy)
        # On another server, a slot of that name may belong to another program.
        drop = (recorded.system_id, recorded.slot) == (server.origin.system_id, options.slot)
    begun = _begin(connection, control, options, server, found, drop, clock)
    return Resumed(*begun, reason)


def lost(
    recorded: Lineage,
    checkpoint: Checkpoint | None,
    found: slots.Slot | None,
    server: Server,
    slot: str,
) -> str | None:
    """Why the stream cannot resume at the confirmed LSN; None when it can."""
    origin = server.origin
    if recorded.system_id != origin.system_id:
        return (
            f"the database is another system ({origin.system_id}) than the one that was read before "
            f"({recorded.system_id})"
        )
    if recorded.slot != slot:
        return f"slot {slot} replaces slot {recorded.slot}"
    if found is None:
        return f"replication slot {slot} was dropped"
    if found.invalidated:
        return (
            f"replication slot {slot} was invalidated: the server removed log that it needed "
            "(max_slot_wal_keep_size)"
        )
    return None if checkpoint is None else _out_of_step(checkpoint, found, server)


def _out_of_step(checkpoint: Checkpoint, found: slots.Slot, server: Server) -> str | None:
    if checkpoint.timeline != server.origin.timeline:
        end = server.left_at(checkpoint.timeline)
        if end is None or end < checkpoint.lsn:
            return (
                f"the server was promoted from a standby (timeline {server.origin.timeline}) that lacks "
                f"transactions which had been read on timeline {checkpoint.timeline}"
            )
    elif server.flushed < checkpoint.lsn:
        return (
            "the database was restored to an earlier state: its log ends before what had been read"
        )
    if found.confirmed > checkpoint.lsn:
        return (
            f"replication slot {found.name} is at {found.confirmed_text}, beyond what flusso has confirmed: another "
            "program recreated it or moved it"
        )
    return None


def _refuse(reason: str, policy: OnLostPosition) -> None:
    if policy == "stop":
        raise FatalError(
            f"{reason}.  Changes in between are unknown, so every index has to be rebuilt, and "
            'on_lost_position is "stop".  To let that happen start once with --on-lost-position=rebuild: '
            "the present indexes answer until the new ones are complete"
        )
    logger.error(
        "%s; a new history begins: changes in between are unknown, so everything is read again",
        reason,
        extra={"action": "position_lost"},
    )


def _begin(
    connection: Connection,
    control: Control,
    options: LineageOptions,
    server: Server,
    found: slots.Slot | None,
    drop: bool,
    clock: Clock,
) -> tuple[slots.Slot, Checkpoint]:
    """Begin a new lineage.

    A pending record is written first.  After a crash between the creation of the slot and the record of its lineage, the
    new slot must not be taken for the slot of the recorded lineage.
    """
    if found is not None and found.active_pid is not None and (drop or found.invalidated):
        raise RetryableError(
            f"replication slot {options.slot}, which has to be recreated, is active for PID {found.active_pid}"
        )
    pending = found is None or found.invalidated or drop
    if pending:
        control.put(_PENDING_KEY, {"slot": options.slot, "drop": drop})
    if found is not None and (drop or found.invalidated):
        slots.drop(connection, options.slot)
        control.put(_PENDING_KEY, {"slot": options.slot, "drop": False})
        found = None
    slot = found or slots.create(connection, options.slot)
    if slot.created:
        failpoints.hit("slot_created")
    if pending and _has_synchronous_standby(connection):
        ddl.await_running_transactions(connection, clock)
    lineage = Lineage(server.origin.system_id, slot.name, slot.confirmed_text)
    checkpoint = _record(control, lineage, server, slot)
    control.put(LINEAGE_KEY, lineage.to_json())
    control.put(_PENDING_KEY, {"slot": ""})
    logger.info(
        "a history begins: slot %s of system %s at %s",
        lineage.slot,
        lineage.system_id,
        lineage.created_lsn,
        extra={"action": "new_lineage"},
    )
    return slot, checkpoint


def _record(control: Control, lineage: Lineage, server: Server, slot: slots.Slot) -> Checkpoint:
    checkpoint = Checkpoint(lineage, server.origin.timeline, slot.confirmed)
    control.put(checkpoint.key, checkpoint.to_json())
    return checkpoint


def server_of(
    connection: Connection, origin: Origin, left_at: Callable[[int], int | None]
) -> Server:
    """The server that `connection` is connected to."""
    row = connection.execute(_FLUSHED).fetchone()
    assert row is not None
    return Server(origin, int(row[0]), left_at)


def _has_synchronous_standby(connection: Connection) -> bool:
    row = connection.execute("SELECT current_setting('synchronous_standby_names') <> ''").fetchone()
    return row is not None and bool(row[0])
