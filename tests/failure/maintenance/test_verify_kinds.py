"""Every kind of difference that `flusso verify` tells, and what it makes of each; documents that are no row's too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.errors import SchemaChangedError
from flusso_worker.generations.store import GenerationStore
from flusso_worker.maintenance import key_walk_sql
from flusso_worker.maintenance.catch_up import CatchUp
from flusso_worker.maintenance.document_writer import DocumentWriter, WriterDependencies
from flusso_worker.maintenance.observations import PAGE, Documents, Rows
from flusso_worker.maintenance.report import Report
from flusso_worker.maintenance.verification import Verification, VerificationOptions
from flusso_worker.sinks.cluster import path
from services import Services
from support.kits import ops_kit
from support.kits.index_kit import expected
from support.kits.ops_kit import HUGE, Scene
from support.stores.small import PLAN

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


@pytest.fixture
def scene(
    services: Services, database: str, index_prefix: str, topic_prefix: str
) -> Iterator[Scene]:
    with ops_kit.scene(services, database, index_prefix, topic_prefix) as made:
        made.snapshot()
        made.start().await_state("seeded")
        yield made


def verified(scene: Scene, options: VerificationOptions) -> Report:
    """One run.  No slot stands behind the log here, so the wait for it is in vain, and is kept short."""
    clock = SystemClock(threading.Event())
    live = GenerationStore(scene.index.cluster, scene.index_prefix).read_index(PLAN.name).live
    assert live is not None
    writer = DocumentWriter(
        live.generation, WriterDependencies(scene.url, [scene.index.cluster], None, clock)
    )
    try:
        statements = key_walk_sql.compose(PLAN, writer.catalog, writer.sql, PAGE)
        report = Report(PLAN.name, live.generation.name.physical, 100, lambda _: None)
        log = (scene.log.groups, scene.topic_prefix)
        catch_up = CatchUp(live.generation, writer.database, log, clock, patience=0.5)
        return Verification(
            writer, Rows(writer, statements), Documents(writer, statements), catch_up, report
        ).run(options)
    finally:
        writer.close()


def kinds(report: Report) -> dict[str, str]:
    return {item.id: item.kind for item in report.listed}


def put(scene: Scene, name: str, document: dict[str, Any]) -> None:
    scene.index.cluster.request("PUT", path(scene.index.name.physical, "_doc", name), document)


def test_nothing_is_repaired_by_statements_of_tables_that_were_altered(scene: Scene) -> None:
    """What they build is what the old types made of a row, and no later change would put it right.  (Shown to fail when
    the writer is not bound to the catalog.)"""
    put(scene, "2", {"name": "by hand"})

    def alter(_what: str, done: int, _total: int) -> None:
        if done:
            scene.edit("ALTER TABLE users ALTER name TYPE varchar(1000)")

    with pytest.raises(SchemaChangedError, match="altered"):
        verified(scene, VerificationOptions(repair=True, advance=alter))
    assert scene.index.documents()[2] == {"name": "by hand"}


def test_every_kind_of_difference_is_reported_and_repaired_where_it_can_be(scene: Scene) -> None:
    """By hand: deleted, changed, added, also under ids that are no keys.  Not by hand: rows changed behind the
    log's back; one that cannot be built and one that cannot be written stay, and are told."""
    scene.index.cluster.request("DELETE", path(scene.index.name.physical, "_doc", "1"))
    put(scene, "2", {**expected(scene.url)[2], "name": "by hand", "tags": []})
    for name in ("999", "not a key", "0005", "5:5"):
        put(scene, name, {"name": "by hand"})
    scene.edit("UPDATE orders SET status = 'lost' WHERE id = 8")
    scene.edit("UPDATE users SET parts = 0 WHERE id = 9")
    scene.edit(f"UPDATE users SET name = {HUGE} WHERE id = 10")
    scene.edit("DELETE FROM users WHERE id = 11")
    wanted = {
        "1": "missing",
        "2": "different",
        "4": "different",
        "9": "unbuildable",
        "10": "different",
        "11": "extra",
        "999": "extra",
        "not a key": "extra",
        "0005": "extra",
        "5:5": "extra",
    }
    report = verified(scene, VerificationOptions())
    assert kinds(report) == wanted
    paths = {item.id: set(item.paths) for item in report.listed}
    assert paths["2"] == {"name", "tags[0]"}
    assert paths["4"] == {"orders[0].status"}
    assert report.behind
    assert (report.rows, report.documents, report.remaining) == (49, 53, len(wanted))
    repaired = verified(scene, VerificationOptions(repair=True))
    assert kinds(repaired) == wanted
    assert {item.id for item in repaired.listed if not item.repaired} == {"9", "10"}
    assert (repaired.repaired, repaired.remaining) == (len(wanted) - 2, 2)
    again = verified(scene, VerificationOptions())
    assert kinds(again) == {"9": "unbuildable", "10": "different"}


def test_an_emptied_index_is_filled_again(scene: Scene) -> None:
    """Deleted documents have left tombstones with versions of their own: a later version is needed to pass them."""
    for user in range(1, 51):
        scene.index.cluster.request("DELETE", path(scene.index.name.physical, "_doc", str(user)))
    report = verified(scene, VerificationOptions(repair=True))
    assert report.found == {"missing": 50}
    assert report.remaining == 0
    scene.assert_equal_but()


def test_a_sample_looks_at_so_many(scene: Scene) -> None:
    report = verified(scene, VerificationOptions(sample=20))
    assert (report.rows, report.documents, report.remaining) == (20, 20, 0)
