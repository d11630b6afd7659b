"""One bad document never takes down the rest (I8), and is never lost sight of either (I7; case 13)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flusso_shared.change import Op
from flusso_worker.sinks.cluster import path
from services import Services
from support.commands import inherited_environment, run_command
from support.kits import ops_kit
from support.kits.ops_kit import HUGE, Scene
from support.kits.worker_kit import committed
from support.stores.small import ITEMS, ORDERS, USERS, change
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


@pytest.fixture
def scene(
    services: Services, database: str, index_prefix: str, topic_prefix: str
) -> Iterator[Scene]:
    with ops_kit.scene(services, database, index_prefix, topic_prefix) as made:
        yield made


def test_a_refused_document_is_kept_with_its_reason_until_a_good_build_clears_it(
    scene: Scene,
) -> None:
    """Case 13, I8: the entry has all that is known; neighbours of the same bulk are indexed; I7: offsets go on.

    (Shown to fail when a row that spoils a chunk is not told apart from its neighbours, in `BatchBuilder`.)
    """
    scene.snapshot()
    worker = scene.start()
    worker.await_state("seeded")
    scene.edit(
        f"UPDATE users SET name = {HUGE} WHERE id = 7;"
        "UPDATE users SET parts = 0 WHERE id = 9; UPDATE users SET name = 'fine' WHERE id = 8",
        *scene.touch(7, 8, 9),
    )
    scene.await_applied()
    scene.assert_equal_but(7, 9)
    found = scene.entries()
    assert set(found) == {"7", "9"}
    refused, unbuilt = found["7"], found["9"]
    assert "400" in refused.reason
    assert "immense term" in refused.reason
    assert refused.sink == "primary"
    assert json.loads(refused.document or "")["id"] == 7
    assert refused.change is not None
    assert (refused.change["table"], refused.change["key"]) == ("public.users", ["7"])
    assert refused.change["topic"].endswith("users")
    assert refused.change["offset"] >= 0
    assert "division by zero" in unbuilt.reason
    assert unbuilt.document is None
    assert worker.status.to_json()["documents_quarantined"] == 2
    scene.edit("UPDATE users SET name = 'short' WHERE id = 7", *scene.touch(7))
    scene.edit("DELETE FROM users WHERE id = 9", change(USERS, [9], {"id": "9"}, op=Op.DELETE))
    scene.await_applied()
    assert scene.entries() == {}
    scene.assert_equal_but()


def test_the_cause_is_found_among_many_changes_of_other_tables(scene: Scene) -> None:
    """Case 13: which change of which row led to which document, though one batch has them all."""
    scene.snapshot()
    worker = scene.start()
    worker.await_state("seeded")
    scene.edit(
        f"UPDATE users SET name = {HUGE} WHERE id IN (3, 5)",
        *[
            change(
                ORDERS, [order], None, {"id": str(order), "user_id": str(order // 2), "note": "x"}
            )
            for order in (12, 6, 8, 14)
        ],
        *[change(ITEMS, [item], None, {"id": str(item)}) for item in (4, 21, 8)],
    )
    scene.await_applied()
    causes = {name: entry.change or {} for name, entry in scene.entries().items()}
    assert {name: (cause["table"], cause["key"]) for name, cause in causes.items()} == {
        "3": ("public.orders", ["6"]),
        "5": ("public.items", ["21"]),
    }


def test_another_worker_clears_what_one_put_in(scene: Scene) -> None:
    """An entry from before a restart, and one of a worker that runs beside: both are known of."""
    scene.snapshot()
    first = scene.start()
    first.await_state("seeded")
    scene.edit(f"UPDATE users SET name = {HUGE} WHERE id <= 4", *scene.touch(1, 2, 3, 4))
    scene.await_applied()
    assert set(scene.entries()) == {"1", "2", "3", "4"}
    scene.finish(first)
    scene.start().await_state("seeded")
    scene.edit("UPDATE users SET name = 'good' WHERE id <= 2", *scene.touch(1, 2))
    scene.await_applied()
    assert set(scene.entries()) == {"3", "4"}
    scene.start().await_state("seeded")
    # A change of a related table: another topic, and perhaps another worker, than what put it in.
    scene.edit(
        "UPDATE users SET name = 'good' WHERE id <= 4",
        *[
            change(ORDERS, [order], None, {"id": str(order), "user_id": str(order // 2)})
            for order in (6, 8)
        ],
    )
    scene.await_applied()
    assert scene.entries() == {}


def test_the_limit_stops_the_index_and_nothing_is_lost(scene: Scene) -> None:
    """What has no room is not skipped: its offset stays, and it is written when there is room."""
    scene.edit(f"UPDATE users SET name = {HUGE} WHERE id <= 8")
    scene.snapshot()
    worker = scene.start(limit=5)
    worker.await_state("stopped")
    assert "quarantine_limit" in str(worker.status.to_json()["last_error"])
    assert len(scene.entries()) == 5
    scene.finish(worker)
    scene.start(limit=8).await_state("seeded")
    assert len(scene.entries()) == 8
    scene.assert_equal_but(*range(1, 9))


def test_stop_stops_at_a_refused_document_and_goes_on_once_it_is_repaired(scene: Scene) -> None:
    """Unhealthy for everybody to see, offsets kept, tried again with back-off."""
    scene.snapshot()
    worker = scene.start("stop")
    worker.await_state("seeded")
    scene.edit(f"UPDATE users SET name = {HUGE} WHERE id = 3", *scene.touch(3, 4))
    worker.await_state("stopped")
    assert scene.entries() == {}
    error = str(worker.status.to_json()["last_error"])
    assert "document '3'" in error
    assert "xxx" not in error
    assert worker.status.stopped() == ["users"]
    assert worker.metrics.registry.get_sample_value("flusso_index_up", {"index": "users"}) == 0
    scene.edit("UPDATE users SET name = 'short' WHERE id = 3")
    worker.await_state("seeded")
    scene.await_applied()
    scene.assert_equal_but()
    assert worker.status.stopped() == []
    assert worker.metrics.registry.get_sample_value("flusso_index_up", {"index": "users"}) == 1


def test_the_quarantine_comes_back_after_it_was_deleted_by_hand(scene: Scene) -> None:
    """By a late write alone it would come with a mapping that refuses entries."""
    scene.snapshot()
    scene.start().await_state("seeded")
    for user in (1, 2):
        scene.edit(f"UPDATE users SET name = {HUGE} WHERE id = {user}", *scene.touch(user))
        scene.await_applied()
        assert str(user) in scene.entries()
        if user == 1:
            scene.index.cluster.request("DELETE", path(f"{scene.index_prefix}flusso_quarantine"))
    assert set(scene.entries()) == {"2"}


def test_a_generation_that_is_gone_takes_its_entries_with_it(scene: Scene) -> None:
    scene.snapshot()
    scene.start().await_state("seeded")
    scene.edit(f"UPDATE users SET name = {HUGE} WHERE id = 1", *scene.touch(1))
    scene.await_applied()
    assert scene.entries()["1"].generation.number == 1
    scene.index.cluster.request("DELETE", path(scene.index.name.physical))
    second = replace(scene.index.name, number=2)
    until(
        "only the second generation's entry",
        lambda: {entry.generation for entry in scene.store.entries()} == {second},
    )


def test_offsets_wait_for_the_entry(scene: Scene) -> None:
    """I7: while the quarantine cannot be written, nothing is committed past what belongs in it."""
    scene.snapshot()
    worker = scene.start()
    worker.await_state("seeded")
    scene.await_applied()
    scene.store.ensure()
    settings = path(f"{scene.index_prefix}flusso_quarantine", "_settings")
    scene.index.cluster.request("PUT", settings, {"index.blocks.write": True})
    scene.edit(f"UPDATE users SET name = {HUGE} WHERE id = 1", *scene.touch(1))
    built = worker.status.to_json()["documents_built"]
    # The next batch is taken as far as it can be, and no further than its offsets.
    scene.edit("UPDATE users SET name = 'next' WHERE id = 2", *scene.touch(2))
    until("the next is written", lambda: scene.index.documents()[2]["name"] == "next")
    assert not committed(scene.log, scene.group())
    assert worker.status.to_json()["documents_built"] <= built + 1
    scene.index.cluster.request("PUT", settings, {"index.blocks.write": False})
    scene.await_applied()
    assert set(scene.entries()) == {"1"}


# --- the commands ---------------------------------------------------------------------------------


def run_quarantine(scene: Scene, folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `flusso quarantine ...`."""
    config = folder / "flusso.toml"
    config.write_text(
        '[source]\ntype = "postgres"\n\n[sinks.primary]\ntype = "opensearch"\nnumber_of_replicas = 0\n'
    )
    environment = inherited_environment() | {
        "DATABASE_URL": scene.url,
        "PRIMARY_OPENSEARCH_URL": scene.services.opensearch_url,
        "FLUSSO_INDEX_PREFIX": scene.index_prefix,
    }
    done = run_command(folder, environment, "flusso", "quarantine", *arguments)
    return done.returncode, done.stdout


def test_what_is_in_quarantine_is_listed_shown_retried_and_dropped(
    scene: Scene, tmp_path: Path
) -> None:
    """Case 13: a retry builds the document again, in a new snapshot, while the worker runs."""
    scene.snapshot()
    scene.start().await_state("seeded")
    scene.edit(
        f"UPDATE users SET name = {HUGE} WHERE id IN (3, 7); UPDATE users SET parts = 0 WHERE id = 9",
        *scene.touch(3, 7, 9),
    )
    scene.await_applied()
    code, text = run_quarantine(scene, tmp_path, "list", "--format", "json")
    assert code == 0
    assert sorted(item["id"] for item in json.loads(text)) == ["3", "7", "9"]
    assert run_quarantine(scene, tmp_path, "list", "--index", "nothing") == (
        0,
        "nothing is in quarantine\n",
    )
    code, text = run_quarantine(scene, tmp_path, "show", "--index", "users", "--id", "7")
    assert code == 0
    assert "refused by sink primary" in text
    assert "immense term" in text
    assert '"table": "public.users"' in text
    assert "xxxx" in text
    code, text = run_quarantine(scene, tmp_path, "retry")
    assert (code, text.count(" kept: ")) == (1, 3)
    kept = scene.entries()["7"]
    assert kept.change is not None
    assert kept.change["key"] == ["7"]
    # This change is not published: only the retry can see it.
    scene.edit("UPDATE users SET name = 'short' WHERE id = 7")
    code, text = run_quarantine(scene, tmp_path, "retry", "--id", "7", "--format", "json")
    assert code == 0
    assert [item["outcome"] for item in json.loads(text)] == ["written"]
    assert run_quarantine(scene, tmp_path, "drop", "--id", "9") == (0, "dropped 1\n")
    assert set(scene.entries()) == {"3"}
    scene.assert_equal_but(3, 9)
    assert run_quarantine(scene, tmp_path, "drop")[0] == 2
    assert run_quarantine(scene, tmp_path, "drop", "--all") == (0, "dropped 1\n")
