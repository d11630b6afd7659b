"""What a deployment leads to, decided from facts alone, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flusso_cli.plan.announcement import (
    Announcement,
    Change,
    Duration,
    IndexAnnouncement,
    Reading,
    Rows,
    Statement,
)
from flusso_cli.plan.decide import announce
from flusso_cli.plan.facts import Facts, Recorded, SourceFacts, Wanted
from flusso_cli.plan.text import lines
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_worker.generations.applied_options import AppliedOptions, applied_options
from flusso_worker.generations.decide import Damage
from flusso_worker.generations.record import (
    Asked,
    Generation,
    Known,
    Pause,
    Paused,
    Reindex,
    Seeding,
    State,
    Stored,
)
from flusso_worker.generations.schema_order import Carrier
from support.stores.small import PLAN, USERS

LINEAGE = Lineage("1", "slot", "0/1")
OPTIONS = applied_options(PLAN, "stop", 1000)
CHANGED = replace(PLAN, hash="ffffffff", fields=PLAN.fields[1:])
MISSING = PLAN.fields[0].key


def stored(
    number: int, state: State, plan: IndexPlan = PLAN, seeding: Seeding | None = None
) -> Stored:
    name = GenerationName(plan.name, plan.hash, number)
    settings = {"primary": {"number_of_shards": 1}}
    return Stored(Generation(name, state, LINEAGE, plan, {}, settings=settings, seeding=seeding))


def carrier(options: AppliedOptions | None = OPTIONS, *, ended: bool = False) -> Carrier:
    return Carrier("worker:1", PLAN.hash, 1, ended, options)


LIVE = Known([stored(1, "live")], carriers=[carrier()])


def facts(
    recorded: Mapping[str, Recorded | Known],
    wanted: Sequence[IndexPlan] = (PLAN,),
    new_history: str | None = None,
    **more: Any,
) -> Facts:
    given: dict[str, Any] = {
        "disabled": (),
        "settings": {"primary": {"number_of_shards": 1}},
        "topics": (),
        "rows": {USERS: Rows(5000, counted=False)},
    }
    return Facts(
        prefix="",
        wanted=[Wanted(plan, applied_options(plan, "stop", 1000)) for plan in wanted],
        recorded={
            name: item if isinstance(item, Recorded) else Recorded(item)
            for name, item in recorded.items()
        },
        source=SourceFacts(LINEAGE, new_history),
        **(given | more),
    )


def only(given: Facts) -> IndexAnnouncement:
    (found,) = announce(given).indexes
    return found


def test_what_runs_stays() -> None:
    found = announce(facts({"users": LIVE}))
    assert [item.action for item in found.indexes] == ["keep"]
    assert not found.something_to_do


def test_a_new_index_is_created() -> None:
    found = only(facts({}))
    assert (found.action, found.next_generation) == ("create", f"users_{PLAN.hash}_1")
    assert found.duration is None


def test_a_changed_schema_is_built_again_with_the_next_number() -> None:
    seeding = Seeding(1000, 2.0)
    known = Known([stored(1, "live", seeding=seeding)], carriers=[carrier()])
    found = only(facts({"users": Recorded(known, highest=3)}, [CHANGED]))
    assert (found.action, found.reason) == ("rebuild", "its schema has changed")
    assert found.generation == f"users_{PLAN.hash}_1"
    assert found.next_generation == "users_ffffffff_4"
    assert [(item.path, item.rebuilds) for item in found.changes] == [(MISSING, True)]
    assert found.duration == Duration(10.0, 500.0, "users")


def test_the_rate_of_another_index_serves_until_there_is_an_own_one() -> None:
    other = replace(PLAN, name="others")
    known = Known([stored(1, "live", other, Seeding(100, 1.0))])
    found = announce(facts({"others": known}, [PLAN, other])).indexes[0]
    assert found.duration == Duration(50.0, 100.0, "others")


def test_a_new_history_builds_every_index_again() -> None:
    found = only(facts({"users": LIVE}, new_history="replication slot x was dropped"))
    assert (found.action, found.reason) == ("rebuild", "replication slot x was dropped")
    assert found.changes == ()


def test_damage_and_requests_build_it_again() -> None:
    physical = f"users_{PLAN.hash}_1"
    damaged = Recorded(LIVE, {physical: Damage("its index is gone")})
    assert only(facts({"users": damaged})).reason == "its index is gone"
    asked = replace(LIVE, asked=Asked(Reindex("users", 1, 0.0)))
    assert only(facts({"users": asked})).reason == "a reindex was requested"


def test_options_are_applied_without_a_build() -> None:
    known = replace(LIVE, carriers=[carrier(replace(OPTIONS, on_error="skip", verify_every=60.0))])
    found = only(facts({"users": known}))
    assert found.action == "update"
    assert found.changes == (
        Change("", "on_error", "skip", "stop", rebuilds=False),
        Change("", "verify_every", "60", "0", rebuilds=False),
    )


def test_the_options_of_a_worker_that_has_ended_count_only_without_another() -> None:
    other = carrier(replace(OPTIONS, on_error="skip"), ended=True)
    assert only(facts({"users": replace(LIVE, carriers=[other, carrier()])})).action == "keep"
    assert only(facts({"users": replace(LIVE, carriers=[other])})).action == "update"
    assert only(facts({"users": replace(LIVE, carriers=[carrier(None)])})).action == "keep"


def test_details_of_the_schema_are_told_by_what_they_are() -> None:
    described = replace(
        PLAN, fields=(replace(PLAN.fields[0], description="New."), *PLAN.fields[1:])
    )
    found = only(facts({"users": LIVE}, [described]))
    assert found.action == "update"
    assert found.changes == (Change(MISSING, "description", None, "New.", rebuilds=False),)
    # The worker has something else, the generation was made with what the files say.
    made = replace(LIVE, stored=[stored(1, "live", described)])
    (change,) = only(facts({"users": made}, [described])).changes
    assert change.attribute == "descriptions and checks"


def test_what_has_begun_is_told() -> None:
    paused = replace(LIVE, paused=Paused(Pause("users", 0.0)))
    assert only(facts({"users": paused})).notes == (
        "it is paused: nothing happens to it before `flusso resume users`",
    )
    seeding = replace(LIVE, stored=[stored(1, "live", CHANGED), stored(2, "seeding")])
    found = only(facts({"users": seeding}))
    assert (found.action, found.generation) == ("keep", f"users_{PLAN.hash}_2")
    assert found.notes == (f"users_{PLAN.hash}_2 is being seeded",)
    back = replace(LIVE, stored=[stored(1, "live"), stored(2, "seeding", CHANGED)])
    assert only(facts({"users": back})).notes == ("users_ffffffff_2 is given up",)


def test_a_setting_of_the_sink_waits_for_the_next_generation() -> None:
    settings = {"primary": {"number_of_shards": 2}}
    text = "number_of_shards of sink primary, 1 -> 2, holds for the next generation"
    found = only(facts({"users": LIVE}, settings=settings))
    assert (found.action, found.notes) == ("keep", (f"{text}: `flusso reindex users`",))
    assert only(facts({"users": LIVE}, [CHANGED], settings=settings)).notes == (text,)


def test_an_index_that_is_no_longer_in_the_files() -> None:
    found = only(facts({"users": LIVE}, []))
    assert (found.action, found.reason) == (
        "remove",
        "the files do not have it: no worker keeps it up to date any more",
    )
    found = only(facts({"users": replace(LIVE, carriers=[])}, [], disabled=["users"]))
    assert (found.action, found.reason) == ("leave", "it is not enabled, and no worker keeps it")


def test_in_memory_the_tables_of_what_is_made_are_read() -> None:
    found = announce(facts({"users": LIVE}, [CHANGED], durable=False))
    assert [(item.table, item.rows) for item in found.readings] == [
        ("public.users", Rows(5000, counted=False))
    ]
    assert announce(facts({"users": LIVE}, durable=False)).readings == ()


def test_people_read_it_with_a_summary() -> None:
    announced = Announcement(
        indexes=(
            IndexAnnouncement(
                "users",
                "rebuild",
                "its schema has changed",
                "users_1a2b3c4d_1",
                "users_5e6f7081_2",
                "public.users",
                Rows(1_200_000, counted=False),
                Duration(300.0, 4000.0, "users"),
                (
                    Change("phone", "", None, "keyword", rebuilds=True),
                    Change("email", "type", "keyword", "text", rebuilds=True),
                    Change("", "on_error", "stop", "skip", rebuilds=False),
                ),
            ),
            IndexAnnouncement("orders", "keep", generation="orders_1a2b3c4d_1"),
        ),
        statements=(
            Statement("ALTER TABLE a REPLICA IDENTITY FULL", "because", by_capture=True),
            Statement("CREATE PUBLICATION p", "for another reason", by_capture=False),
        ),
        topics=("flusso.public.a",),
        readings=(Reading("public.a", "new", Rows(3, counted=True)),),
        problems=("table b is missing",),
    )
    assert (
        "\n".join(line.plain for line in lines(announced))
        == """\
~ users  is built again as users_5e6f7081_2, in place of users_1a2b3c4d_1: its schema has changed
    1,200,000 rows of public.users (estimated); about 5 min, at 4,000/s as in its last seeding
    + phone: keyword
    ~ email type: keyword -> text
    ~ on_error: stop -> skip  (builds nothing)
  orders  stays as it is (orders_1a2b3c4d_1)

SQL that capture runs
    ALTER TABLE a REPLICA IDENTITY FULL;  -- because

SQL that an administrator has to run
    CREATE PUBLICATION p;  -- for another reason

Topics that are created
    flusso.public.a

Tables that capture reads
    3 rows of public.a (counted)  new

Problems
    table b is missing

Plan: 1 to rebuild, 1 unchanged; 2 statements, 1 topic."""
    )
    kept = Announcement((IndexAnnouncement("orders", "keep", generation="orders_1a2b3c4d_1"),))
    assert [line.plain for line in lines(kept)][-1] == (
        "Nothing to do: what runs is what the files say."
    )
