"""What follows the replies of a sink: rebuilds from a real database, versions after a crash, quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fakes.scripted_sink import ScriptedSink, Verdict
from flusso_shared.errors import FatalError, PoisonError
from flusso_shared.seams import Batch, Conflict, Rejection, Written
from flusso_worker.documents.rebuild import LARGEST_GAP
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore
from services import Services
from support.kits.build_kit import BuildKit
from support.kits.index_kit import IndexKit
from support.servers.own_postgres import with_own_postgres
from support.stores import small as small_store

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("test_flush")]


@pytest.fixture(scope="module")
def services(services: Services) -> Iterator[Services]:
    """Transaction ids are counted: no other session may use any."""
    with with_own_postgres(services) as found:
        yield found


@pytest.fixture
def kit(database: str) -> Iterator[BuildKit]:
    small_store.create(database)
    small_store.fill(database, 5)
    made = BuildKit(database)
    yield made
    made.close()


def count(kit: BuildKit, name: str) -> float:
    return kit.metrics.registry.get_sample_value(name, {"index": "users"}) or 0.0


def conflict(name: str, ahead: int) -> Verdict:
    """The destination has that document at a version `ahead` of what is written."""

    def verdict(batch: Batch) -> Written:
        version = next(item.version for item in batch.operations if item.id == name)
        return Written(conflicts=(Conflict(name, version, version + ahead),))

    return verdict


def stale(batch: Batch) -> Written:
    return Written(again=frozenset(item.id for item in batch.operations))


def test_a_stale_batch_is_built_again(kit: BuildKit) -> None:
    flusher, sink = kit.flusher(stale)
    built = kit.build_keys(1, 2)
    kit.sql("UPDATE users SET name = 'newer'")
    flusher.flush(built)
    first, *later = sink.batches
    assert [len(batch.operations) for batch in later] == [1, 1]
    for batch in later:
        assert batch.operations[0].version > first.operations[0].version
        assert batch.built_at > first.built_at
    assert b"newer" in (sink.documents["1"] or b"")


def test_a_newer_document_at_the_destination_is_success(kit: BuildKit) -> None:
    built = kit.build_keys(1, 2)
    kit.sql(*3 * ["SELECT pg_current_xact_id()"])
    flusher, sink = kit.flusher(conflict("1", 3))
    flusher.flush(built)
    assert len(sink.batches) == 1
    assert count(kit, "flusso_version_conflicts_total") == 1


def test_a_version_ahead_of_the_database_is_passed_and_built_again(kit: BuildKit) -> None:
    flusher, sink = kit.flusher(conflict("2", 118))
    flusher.flush(kit.build_keys(1, 2))
    first, second = sink.batches
    assert [item.id for item in second.operations] == ["2"]
    assert second.operations[0].version >= first.operations[0].version + 118
    assert count(kit, "flusso_version_conflicts_total") == 0


def test_a_gap_too_large_means_another_history(kit: BuildKit) -> None:
    flusher, _ = kit.flusher(conflict("2", LARGEST_GAP * 3))
    with pytest.raises(FatalError, match="another history"):
        flusher.flush(kit.build_keys(1, 2))


def test_a_later_timeline_at_the_destination_means_another_history(kit: BuildKit) -> None:
    flusher, _ = kit.flusher(conflict("2", 1 << 48))
    with pytest.raises(FatalError, match="another history"):
        flusher.flush(kit.build_keys(1, 2))


def refuse(name: str) -> Verdict:
    return lambda batch: Written(rejected=(Rejection(name, 400, "mapper_parsing_exception"),))


def test_a_refused_document_is_skipped_and_counted(
    kit: BuildKit, caplog: pytest.LogCaptureFixture
) -> None:
    flusher, _ = kit.flusher(refuse("2"))
    flusher.flush(kit.build_keys(1, 2))
    assert count(kit, "flusso_documents_quarantined_total") == 1
    assert kit.status.to_json()["documents_quarantined"] == 1
    assert "'2' skipped: 400: mapper_parsing_exception" in caplog.text


def test_a_refused_document_stops_the_index_when_so_configured(kit: BuildKit) -> None:
    flusher, _ = kit.flusher(refuse("2"), policy="stop")
    with pytest.raises(PoisonError, match="mapper_parsing_exception"):
        flusher.flush(kit.build_keys(1, 2))


def test_a_stale_batch_with_a_failing_row_leaves_only_that_row_out(kit: BuildKit) -> None:
    built = kit.build_keys(1, 2, 3)
    kit.sql("UPDATE users SET parts = 0 WHERE id = 2")
    flusher, sink = kit.flusher(stale)
    flusher.flush(built)
    again = {item.id for batch in sink.batches[1:] for item in batch.operations}
    assert again == {"1", "3"}


# --- quarantine: real entries, scripted refusals ----------------------------------------------------


@pytest.fixture
def index(services: Services, index_prefix: str) -> Iterator[IndexKit]:
    kit = IndexKit(services.opensearch_url, index_prefix)
    yield kit
    kit.close()


def entries(store: QuarantineStore) -> dict[str, Entry]:
    return {entry.id: entry for entry in store.entries()}


def test_a_document_that_was_repaired_before_its_entry_was_stored_is_not_left_in_quarantine(
    kit: BuildKit, index: IndexKit
) -> None:
    """Another worker has written the good document, and looked for an entry, in between: no other worker will clear it.
    (Shown to fail without the second build in `Flusher`.)"""
    store = QuarantineStore(index.cluster, index.name.prefix)

    def refuse_and_mend(batch: Batch) -> Written:
        kit.sql("UPDATE users SET name = 'mended' WHERE id = 2")
        return refuse("2")(batch)

    flusher, sink = kit.flusher(refuse_and_mend, store=store)
    flusher.flush(kit.build_keys(1, 2))
    assert entries(store) == {}
    assert b"mended" in (sink.documents["2"] or b"")


def test_an_older_rejection_does_not_replace_a_newer_build(kit: BuildKit, index: IndexKit) -> None:
    """A worker that was paused wakes up with an old document that is refused; others have gone on."""
    store = QuarantineStore(index.cluster, index.name.prefix)
    old = kit.build_keys(2)
    kit.sql("UPDATE users SET name = 'newer' WHERE id = 2")
    flusher, _ = kit.flusher(refuse("2"), store=store)
    flusher.flush(kit.build_keys(2))
    newer = entries(store)["2"]
    late, _ = kit.flusher(refuse("2"), refuse("2"), store=store)
    late.flush(old)
    assert entries(store)["2"].version >= newer.version
    assert "newer" in (entries(store)["2"].document or "")


def test_what_one_sink_rejects_is_quarantined_although_another_accepts_it(
    kit: BuildKit, index: IndexKit
) -> None:
    store = QuarantineStore(index.cluster, index.name.prefix)
    flusher, first = kit.flusher(refuse("2"), store=store)
    second = ScriptedSink(name="second")
    both = replace(flusher, sinks=[first, second])
    both.flush(kit.build_keys(1, 2))
    assert entries(store)["2"].sink == "scripted"
    assert set(second.documents) == {"1", "2"}
    both.flush(kit.build_keys(2))
    assert entries(store) == {}
