"""The pure parts of `flusso check` that a test server cannot be brought into easily."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flusso_cli.check.probe.facts import (
    DatabaseFacts,
    Index,
    ServerFacts,
    SlotFacts,
    ValueType,
)
from flusso_cli.check.rules import types
from flusso_cli.check.rules.lookup_indexes import serves
from flusso_cli.check.rules.prune import pruned
from flusso_cli.check.rules.server import check_server
from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    FieldMapping,
    IndexPlan,
    NullCondition,
    ObjectField,
    SoftDelete,
)
from flusso_shared.postgres.catalog import Catalog

_SERVER = ServerFacts(
    version=150004,
    encoding="UTF8",
    standby=False,
    wal_level="logical",
    role="flusso",
    superuser=False,
    may_replicate=True,
    may_create=True,
    slots_used=3,
    slots_most=10,
    senders_used=1,
    senders_most=10,
    keep_limit=-1,
)
_SLOT = SlotFacts("pgoutput", "logical", "shop", "shop", lost=False)


def said(server: ServerFacts, slot: SlotFacts | None = None) -> list[tuple[str, str, str]]:
    facts = DatabaseFacts(server, slot, Catalog({}), {}, (), None)
    return [(item.severity, item.rule, " ".join(item.sql)) for item in check_server(facts, "it's")]


def test_a_suitable_server() -> None:
    assert said(_SERVER) == []
    assert said(_SERVER, _SLOT) == []
    assert said(replace(_SERVER, slots_used=10, senders_used=10), _SLOT) == []


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (replace(_SERVER, version=130011), ("error", "server-version", "")),
        (replace(_SERVER, standby=True), ("error", "standby", "")),
        (
            replace(_SERVER, wal_level="replica"),
            ("error", "wal-level", "ALTER SYSTEM SET wal_level = 'logical';"),
        ),
        (replace(_SERVER, encoding="SQL_ASCII"), ("warning", "encoding", "")),
        (
            replace(_SERVER, may_replicate=False),
            (
                "error",
                "replication-role",
                'ALTER ROLE "flusso" REPLICATION; GRANT rds_replication TO "flusso";',
            ),
        ),
        (
            replace(_SERVER, slots_used=10),
            ("error", "no-free-slot", 'ALTER SYSTEM SET "max_replication_slots" = 20;'),
        ),
        (
            replace(_SERVER, senders_used=12),
            ("error", "no-free-slot", 'ALTER SYSTEM SET "max_wal_senders" = 20;'),
        ),
    ],
)
def test_an_unsuitable_server(server: ServerFacts, expected: tuple[str, str, str]) -> None:
    assert said(server) == [expected]


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        (
            replace(_SLOT, plugin="wal2json"),
            ("error", "foreign-slot", "SELECT pg_drop_replication_slot('it''s');"),
        ),
        (replace(_SLOT, database="other"), ("error", "foreign-slot", "")),
        (replace(_SLOT, lost=True), ("warning", "lost-slot", "")),
        (replace(_SLOT, two_phase=True), ("warning", "two-phase-slot", "")),
    ],
)
def test_an_unsuitable_slot(slot: SlotFacts, expected: tuple[str, str, str]) -> None:
    assert said(_SERVER, slot) == [expected]


_INDEX = Index("i", "btree", ("a", "b", "c"), unique=False, usable=True)


@pytest.mark.parametrize(
    ("index", "columns", "expected"),
    [
        (_INDEX, ("a",), True),
        (_INDEX, ("b", "a"), True),
        (_INDEX, ("c", "b", "a"), True),
        (_INDEX, ("b",), False),
        (_INDEX, ("a", "c"), False),
        (_INDEX, ("a", "b", "c", "d"), False),
        (replace(_INDEX, unique=True), ("a", "b", "c", "d"), True),
        (replace(_INDEX, unique=True), ("a", "d"), False),
        (replace(_INDEX, usable=False), ("a",), False),
        (replace(_INDEX, method="gin"), ("a",), False),
        (replace(_INDEX, columns=(None, "a")), ("a",), False),
        (replace(_INDEX, columns=("a",), method="hash"), ("a",), True),
    ],
)
def test_an_index_serves_what_it_begins_with(
    index: Index, columns: tuple[str, ...], expected: bool
) -> None:
    assert serves(index, columns) is expected


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("VARCHAR(20)[]", "character varying"),
        ("numeric(10, 2)", "numeric"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("timestamp (3)", "timestamp without time zone"),
        ("pg_catalog.int4", "integer"),
        ("double  precision", "double precision"),
        ("hstore", "hstore"),
    ],
)
def test_type_names_lose_their_spelling(name: str, plain: str) -> None:
    assert types.normalized(name) == plain


def test_a_type_without_a_tag_is_written_as_custom() -> None:
    inet = ValueType("inet", "inet", "b", array=False, not_null=False)
    assert types.fitting(inet) == "`custom` with `postgres: [inet]`"
    assert types.fitting(replace(inet, name="int8")) == "`long`"
    assert types.fitting(replace(inet, name="mood", kind="e")) == "`enum`"


def test_an_index_loses_what_lacks_something() -> None:
    gone = NullCondition("gone", negated=False)
    mapping = FieldMapping("object")
    inner = ObjectField("inner", (), mapping)
    index = IndexPlan(
        name="i",
        hash="0" * 8,
        root=TableName("public", "t"),
        key=("id",),
        fields=(ObjectField("a", (inner,), mapping), ObjectField("inner", (), mapping)),
        soft_delete=SoftDelete("gone", (gone,)),
        filters=(gone,),
        ways=(),
    )
    assert pruned(index, ()) is index
    assert pruned(index, {""}) is None
    assert pruned(index, {"primary_key"}) is None
    less = pruned(index, {"a.inner", "filters", "soft_delete.when"})
    assert less is not None
    assert less.fields == (ObjectField("a", (), mapping), ObjectField("inner", (), mapping))
    assert (less.filters, less.soft_delete) == ((), None)
