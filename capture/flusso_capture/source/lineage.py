"""The lineage (invariant I6): which history of which slot the published changes and snapshots belong to.

Before streaming, the slot is compared with what was recorded of it.  `lost` is pure; `settle` acts on it.
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
    """Reading cannot go on where it ended.  The next `settle` begins a new history, or says why not."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server that capture is connected to."""

    origin: Origin
    flushed: int
    """The end of its log now."""
    left_at: Callable[[int], int | None]
    """Where its log left an earlier timeline; None for a timeline that it does not descend from."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is wanted."""

    slot: str
    policy: OnLostPosition
    suspicion: str | None = None
    """Why it is known already that reading cannot go on."""


def settle(
    connection: Connection, control: Control, terms: Terms, server: Server, clock: Clock
) -> tuple[slots.Slot, Checkpoint]:
    """The slot, made if need be, and how far its log was read; both recorded if they are new.

    Raises `FatalError` when changes are lost and the policy is to stop.
    """
    # In this order: another process that streams records how far it reads before it confirms that.
    found = slots.read(connection, terms.slot)
    records = control.load()
    recorded = lineage_of(records)
    pending = records.get(_PENDING_KEY, {})
    drop = bool(pending.get("drop"))
    if recorded is not None and pending.get("slot") != terms.slot:
        position = checkpoint_of(records, recorded)
        reason = terms.suspicion or lost(recorded, position, found, server, terms.slot)
        if reason is None:
            assert found is not None, "a slot that is gone is a reason"
            return found, position or _record(control, recorded, server, found)
        _refuse(reason, terms.policy)
        # A slot of that name elsewhere may be of use to others.
        drop = (recorded.system_id, recorded.slot) == (server.origin.system_id, terms.slot)
    return _begin(connection, control, terms, server, found, drop, clock)


def lost(
    recorded: Lineage,
    position: Checkpoint | None,
    found: slots.Slot | None,
    server: Server,
    slot: str,
) -> str | None:
    """Why reading cannot go on where it ended; None when it can."""
    origin = server.origin
    if recorded.system_id != origin.system_id:
        return (
            f"the database is another system ({origin.system_id}) than the one that was read before "
            f"({recorded.system_id})"
        )
    if recorded.slot != slot:
        return f"slot {slot} stands in for slot {recorded.slot}"
    if found is None:
        return f"replication slot {slot} was dropped"
    if found.invalidated:
        return (
            f"replication slot {slot} was invalidated: the server removed log that it needed "
            "(max_slot_wal_keep_size)"
        )
    return None if position is None else _out_of_step(position, found, server)


def _out_of_step(position: Checkpoint, found: slots.Slot, server: Server) -> str | None:
    if position.timeline != server.origin.timeline:
        end = server.left_at(position.timeline)
        if end is None or end < position.lsn:
            return (
                f"the server was promoted from a standby (timeline {server.origin.timeline}) that lacks "
                f"transactions which had been read on timeline {position.timeline}"
            )
    elif server.flushed < position.lsn:
        return (
            "the database was restored to an earlier state: its log ends before what had been read"
        )
    if found.confirmed > position.lsn:
        return (
            f"replication slot {found.name} stands at {found.confirmed_text}, where nobody here moved it: it "
            "was made anew, or moved, by somebody else"
        )
    return None


def _refuse(reason: str, policy: OnLostPosition) -> None:
    if policy == "stop":
        raise FatalError(
            f"{reason}.  Changes in between are unknown, so every index has to be built anew, and "
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
    terms: Terms,
    server: Server,
    found: slots.Slot | None,
    drop: bool,
    clock: Clock,
) -> tuple[slots.Slot, Checkpoint]:
    """Begin a history.

    That one is about to begin is recorded first: a crash between making the slot and recording its lineage
    must not pass for the slot that the recorded lineage speaks of.
    """
    if found is not None and found.active_pid is not None and (drop or found.invalidated):
        raise RetryableError(
            f"replication slot {terms.slot}, which has to be made anew, is active for PID {found.active_pid}"
        )
    pending = found is None or found.invalidated or drop
    if pending:
        control.put(_PENDING_KEY, {"slot": terms.slot, "drop": drop})
    if found is not None and (drop or found.invalidated):
        slots.drop(connection, terms.slot)
        control.put(_PENDING_KEY, {"slot": terms.slot, "drop": False})
        found = None
    slot = found or slots.create(connection, terms.slot)
    if slot.created:
        failpoints.hit("slot_created")
    if pending and _has_synchronous_standby(connection):
        ddl.await_earlier(connection, clock)
    lineage = Lineage(server.origin.system_id, slot.name, slot.confirmed_text)
    position = _record(control, lineage, server, slot)
    control.put(LINEAGE_KEY, lineage.to_json())
    control.put(_PENDING_KEY, {"slot": ""})
    logger.info(
        "a history begins: slot %s of system %s at %s",
        lineage.slot,
        lineage.system_id,
        lineage.created_lsn,
        extra={"action": "new_lineage"},
    )
    return slot, position


def _record(control: Control, lineage: Lineage, server: Server, slot: slots.Slot) -> Checkpoint:
    position = Checkpoint(lineage, server.origin.timeline, slot.confirmed)
    control.put(position.key, position.to_json())
    return position


def server_of(
    connection: Connection, origin: Origin, left_at: Callable[[int], int | None]
) -> Server:
    """The server behind a connection."""
    row = connection.execute(_FLUSHED).fetchone()
    assert row is not None
    return Server(origin, int(row[0]), left_at)


def _has_synchronous_standby(connection: Connection) -> bool:
    row = connection.execute("SELECT current_setting('synchronous_standby_names') <> ''").fetchone()
    return row is not None and bool(row[0])
