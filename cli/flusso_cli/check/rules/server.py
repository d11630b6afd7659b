"""What the server must be set to, and what the role must be allowed.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from psycopg import sql

from flusso_cli.check.probe.facts import DatabaseFacts, ServerFacts, SlotFacts
from flusso_cli.diagnostics.model import Diagnostic, text
from flusso_shared.postgres.connection import Refusal

_OLDEST_VERSION = 14
_SUBJECT = "server"


def check_server(facts: DatabaseFacts, slot: str) -> list[Diagnostic]:
    """Settings, the role's right to replicate, and the slot."""
    server = facts.server
    found = [*_settings(server), *_role(server)]
    found += _no_slot(server) if facts.slot is None else _slot(facts.slot, slot)
    return found


def check_session(refusals: Iterable[Refusal]) -> list[Diagnostic]:
    """Session settings that the server refuses."""
    return [
        Diagnostic(
            "error",
            "session-setting",
            str(item),
            subject=_SUBJECT,
            cure=item.cure,
            sql=(item.sql,) if item.sql else (),
        )
        for item in refusals
    ]


def _settings(server: ServerFacts) -> Iterator[Diagnostic]:
    version = server.version // 10000
    if version < _OLDEST_VERSION:
        yield Diagnostic(
            "error",
            "server-version",
            f"the server is Postgres {version}",
            subject=_SUBJECT,
            cure=f"upgrade it to {_OLDEST_VERSION} or newer",
        )
    if server.standby:
        yield Diagnostic(
            "error",
            "standby",
            "the server is a standby in recovery; changes are read from the primary",
            subject=_SUBJECT,
            cure="point the connection to the primary",
        )
    if server.wal_level != "logical":
        yield Diagnostic(
            "error",
            "wal-level",
            f"wal_level is {server.wal_level}, so the log has no rows",
            subject=_SUBJECT,
            cure="run this as a superuser, then restart the server",
            sql=("ALTER SYSTEM SET wal_level = 'logical';",),
        )
    if server.encoding == "SQL_ASCII":
        yield Diagnostic(
            "warning",
            "encoding",
            "the database has the encoding SQL_ASCII: what is not UTF-8 in it cannot become JSON",
            subject=_SUBJECT,
            cure="convert the database to UTF8",
        )


def _role(server: ServerFacts) -> Iterator[Diagnostic]:
    if server.may_replicate:
        return
    role = sql.Identifier(server.role)
    yield Diagnostic(
        "error",
        "replication-role",
        f"role `{server.role}` may not replicate",
        subject=_SUBJECT,
        cure="let a superuser run this (on Amazon RDS the second)",
        sql=(
            text(sql.SQL("ALTER ROLE {} REPLICATION").format(role)),
            text(sql.SQL("GRANT rds_replication TO {}").format(role)),
        ),
    )


def _no_slot(server: ServerFacts) -> Iterator[Diagnostic]:
    """A slot and a sender must be free for the one to be made."""
    for what, used, most in (
        ("max_replication_slots", server.slots_used, server.slots_most),
        ("max_wal_senders", server.senders_used, server.senders_most),
    ):
        if used >= most:
            yield Diagnostic(
                "error",
                "no-free-slot",
                f"all {most} of {what} are in use; capture needs one",
                subject=_SUBJECT,
                cure="drop what is unused (pg_replication_slots, pg_stat_replication), or raise it and"
                " restart the server",
                sql=(
                    text(
                        sql.SQL("ALTER SYSTEM SET {} = {}").format(
                            sql.Identifier(what), sql.Literal(most + 10)
                        )
                    ),
                ),
            )


def _slot(slot: SlotFacts, name: str) -> Iterator[Diagnostic]:
    subject, other = f"slot {name}", "choose another name with --slot, or drop it"
    drop = text(sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(name)))
    if slot.kind != "logical" or slot.plugin != "pgoutput":
        message = f"replication slot {name} is {slot.kind} with plugin {slot.plugin or 'none'}, not pgoutput"
        yield Diagnostic("error", "foreign-slot", message, subject=subject, cure=other, sql=(drop,))
    elif slot.database != slot.own_database:
        message = (
            f"replication slot {name} belongs to database {slot.database}, not {slot.own_database}"
        )
        cure = "choose another name with --slot: all databases of a server share them"
        yield Diagnostic("error", "foreign-slot", message, subject=subject, cure=cure)
    elif slot.lost:
        message = f"the server has removed log that replication slot {name} needs: it is lost"
        cure = "the next start rebuilds every index (unless on_lost_position is `stop`); see max_slot_wal_keep_size"
        yield Diagnostic("warning", "lost-slot", message, subject=subject, cure=cure)
    elif slot.two_phase:
        message = f"replication slot {name} has two_phase on: rows of a prepared transaction would come before their commit"
        cure = "no action is needed: the next start creates it again without two_phase, at the same position"
        yield Diagnostic("warning", "two-phase-slot", message, subject=subject, cure=cure)
