"""The lineage (invariant I6): which history of which slot the published changes and snapshots belong to."""

from __future__ import annotations

import logging

from flusso_capture import locks
from flusso_capture import slot as slots
from flusso_capture.session import Connection
from flusso_shared import failpoints
from flusso_shared.clock import Clock
from flusso_shared.control_records import LINEAGE_KEY, Lineage, lineage_of
from flusso_shared.seams import Control

logger = logging.getLogger(__name__)

_PENDING_KEY = "slot_pending"


def settle(
    connection: Connection, control: Control, slot_name: str, system_id: str, clock: Clock
) -> tuple[slots.Slot, Lineage]:
    """The slot, made if there is none, and its lineage, recorded if it is new.

    That a slot is about to be made is recorded first: a crash between making it and recording its lineage
    must not pass for the slot that the recorded lineage speaks of.
    """
    records = control.load()
    recorded = lineage_of(records)
    pending = records.get(_PENDING_KEY, {}).get("slot") == slot_name
    if not pending and not slots.exists(connection, slot_name):
        control.put(_PENDING_KEY, {"slot": slot_name})
        pending = True
    slot = slots.ensure(connection, slot_name)
    if slot.created:
        failpoints.hit("slot_created")
    same = recorded is not None and (recorded.system_id, recorded.slot) == (system_id, slot.name)
    if recorded is not None and same and not pending:
        return slot, recorded
    if pending and _has_synchronous_standby(connection):
        locks.await_earlier(connection, clock)
    lineage = Lineage(system_id, slot.name, slot.confirmed_text)
    if recorded is not None:
        logger.warning(
            "a new history begins: slot %s of system %s stands in for slot %s of system %s made at %s; "
            "changes in between are unknown, so everything is read again",
            lineage.slot,
            lineage.system_id,
            recorded.slot,
            recorded.system_id,
            recorded.created_lsn,
            extra={"action": "new_lineage"},
        )
    control.put(LINEAGE_KEY, lineage.to_json())
    control.put(_PENDING_KEY, {"slot": ""})
    return slot, lineage


def _has_synchronous_standby(connection: Connection) -> bool:
    row = connection.execute("SELECT current_setting('synchronous_standby_names') <> ''").fetchone()
    return row is not None and bool(row[0])
