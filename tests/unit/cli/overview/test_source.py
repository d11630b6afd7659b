"""Which slot and publication a deployment has, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

from flusso_cli.overview import source
from flusso_cli.overview.model import Source
from flusso_cli.overview.question import Answer
from flusso_cli.overview.slot_state import SlotState
from flusso_cli.overview.source import Found
from flusso_cli.registry.entry import Entry

CAPTURE = Entry(
    id="c",
    part="capture",
    host="one",
    pid=7,
    version="0.1.0",
    revision="unknown",
    public="http://10.0.0.1:1",
    private="http://10.0.0.1:2",
    started_at=1000.0,
    slot="shop",
    publication="shop_changes",
)
WORKER = replace(CAPTURE, id="w", part="worker", slot=None, publication=None)
SLOT = SlotState(
    plugin="pgoutput",
    type="logical",
    database="shop",
    active=True,
    wal_status="reserved",
    invalidation_reason=None,
    restart_lsn="0/1",
    confirmed_lsn="0/1",
    retained_bytes=30,
    safe_bytes=None,
    lag_bytes=20,
    age_transactions=None,
    inactive_since=None,
    holder=None,
)


def test_the_newest_process_that_captures_says_the_names() -> None:
    older = replace(CAPTURE, slot="old", publication="old", started_at=10.0)
    found = source.named(None, [older, CAPTURE, WORKER])
    assert (found.slot, found.publication, found.error) == ("shop", "shop_changes", None)


def test_a_slot_that_is_given_counts() -> None:
    assert source.named("other", [CAPTURE]).slot == "other"


def test_default_names_that_do_not_exist_may_be_wrong() -> None:
    found = source.described(source.named(None, [WORKER]), Answer(Found(None, publication=False)))
    assert found.error == (
        "replication slot flusso does not exist; publication flusso does not exist (capture creates it if it may; else"
        " `flusso check` prints the SQL); their names are on record in OpenSearch, and were not read"
    )
    assert source.described(source.named(None, []), Answer(Found(SLOT, True))).error is None


def test_the_state_of_the_slot() -> None:
    found = source.described(Source("shop", "shop"), Answer(Found(SLOT, publication=True)))
    assert (found.active, found.wal_status, found.lag_bytes, found.retained_bytes) == (
        True,
        "reserved",
        20,
        30,
    )
    assert found.error is None


def test_a_publication_that_is_gone_hides_nothing_of_the_slot() -> None:
    found = source.described(Source("shop", "shop"), Answer(Found(SLOT, publication=False)))
    assert found.active is True
    assert found.error is not None
    assert found.error.startswith("publication shop does not exist (")


def test_a_database_that_does_not_answer() -> None:
    found = source.described(Source("shop", "shop"), Answer(error="it is away"))
    assert (found.active, found.error) == (None, "it is away")
