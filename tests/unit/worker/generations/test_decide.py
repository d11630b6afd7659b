"""The next action for the generations of an index, decided from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import GenerationName, TableName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import TopicPartition
from flusso_worker.generations.decide import (
    Action,
    Aim,
    Create,
    Damage,
    Facts,
    Prepare,
    Promote,
    Retire,
    decide,
)
from flusso_worker.generations.record import Generation, State, Stored

LINEAGE = Lineage("1", "slot", "0/1")
OTHER_LINEAGE = Lineage("1", "slot", "0/9")
HASH, OTHER_HASH = "0a1b2c3d", "ffffffff"
PLAN = IndexPlan("users", HASH, TableName("public", "users"), ("id",), (), None, (), ())
AIMED = {TopicPartition("t", 0): 5}


def stored(
    number: int,
    state: State,
    *,
    hash: str = HASH,
    lineage: Lineage = LINEAGE,
    targets: dict[TopicPartition, int] | None = None,
) -> Stored:
    name = GenerationName("users", hash, number)
    return Stored(Generation(name, state, lineage, PLAN, {}, targets))


def facts(
    *items: Stored,
    damaged: dict[str, Damage] | None = None,
    complete: bool = False,
    reached: bool = False,
    leading: str = HASH,
) -> Facts:
    names = {item.generation.name.physical for item in items}
    return Facts(
        hash=HASH,
        leading=leading,
        lineage=LINEAGE,
        stored=items,
        damaged=damaged or {},
        complete=names if complete else set(),
        reached=names if reached else set(),
    )


GONE = Damage("its index is gone")
ALIAS_GONE = Damage("its alias is gone", writable=True)
LIVE = stored(1, "live")
NEXT_CREATING, NEXT_SEEDING = stored(2, "creating"), stored(2, "seeding")
NEXT_AIMED = stored(2, "seeding", targets=AIMED)
OLD_HASH, OLD_LINEAGE = (
    stored(1, "live", hash=OTHER_HASH),
    stored(1, "live", lineage=OTHER_LINEAGE),
)


@pytest.mark.parametrize(
    ("what", "known", "expected"),
    [
        ("a creating one is prepared", facts(stored(1, "creating")), Prepare),
        ("seeding waits for the snapshot", facts(stored(1, "seeding")), None),
        ("a complete snapshot gives the goal", facts(stored(1, "seeding"), complete=True), Aim),
        ("the goal is not reached", facts(stored(1, "seeding", targets=AIMED)), None),
        (
            "the goal is reached",
            facts(stored(1, "seeding", targets=AIMED), reached=True),
            Promote,
        ),
        ("one that is live is all there is to do", facts(LIVE), None),
        ("the live one answers while the next is made", facts(LIVE, NEXT_CREATING), Prepare),
        ("the live one answers while the next is seeded", facts(LIVE, NEXT_SEEDING), None),
        ("the live one goes after the swap", facts(LIVE, stored(2, "live")), Retire),
        ("what is retired is deleted", facts(stored(1, "retired"), stored(2, "live")), Retire),
        (
            "an unfinished one that was overtaken goes",
            facts(NEXT_SEEDING, stored(3, "live")),
            Retire,
        ),
        (
            "an old schema's answers until the swap",
            facts(OLD_HASH, NEXT_AIMED),
            None,
        ),
        ("an old schema's goes after the swap", facts(OLD_HASH, stored(2, "live")), Retire),
        ("an old history's answers until the swap", facts(OLD_LINEAGE, NEXT_SEEDING), None),
        (
            "one whose index is gone answers nothing",
            facts(LIVE, NEXT_SEEDING, damaged={LIVE.generation.name.physical: GONE}),
            Retire,
        ),
        (
            "one without its alias is kept fresh until the swap",
            facts(LIVE, NEXT_SEEDING, damaged={LIVE.generation.name.physical: ALIAS_GONE}),
            None,
        ),
        (
            "a newer schema that others carry is followed",
            facts(stored(2, "live", hash=OTHER_HASH), leading=OTHER_HASH),
            None,
        ),
        (
            "a newer schema's is promoted by every worker",
            facts(
                LIVE,
                stored(2, "seeding", hash=OTHER_HASH, targets=AIMED),
                reached=True,
                leading=OTHER_HASH,
            ),
            Promote,
        ),
        (
            "only a worker that carries the newer schema makes one of it",
            facts(LIVE, leading=OTHER_HASH),
            None,
        ),
        (
            "a schema that takes over again keeps its own that is live",
            facts(LIVE, stored(2, "seeding", hash=OTHER_HASH)),
            Retire,
        ),
        (
            "an announced move of the aliases is carried out",
            facts(
                LIVE, replace(NEXT_AIMED, generation=NEXT_AIMED.generation.evolve(promoting=True))
            ),
            Promote,
        ),
    ],
)
def test_next_step(what: str, known: Facts, expected: type[Action] | None) -> None:
    action = decide(known)
    assert (None if action is None else type(action)) == expected, what


MOVING = replace(NEXT_AIMED, generation=NEXT_AIMED.generation.evolve(promoting=True))


@pytest.mark.parametrize(
    ("what", "known", "expected"),
    [
        ("none is made", facts(), None),
        ("none is made of a changed schema", facts(OLD_HASH), None),
        ("none is prepared", facts(stored(1, "creating")), None),
        ("a complete snapshot gives no goal", facts(stored(1, "seeding"), complete=True), None),
        ("a goal that is reached", facts(LIVE, NEXT_AIMED, reached=True), None),
        ("a move that has begun is finished", facts(LIVE, MOVING), Promote),
        ("what it replaced is deleted", facts(LIVE, stored(2, "live")), Retire),
        ("what is retired is deleted", facts(LIVE, stored(2, "retired")), Retire),
    ],
)
def test_next_step_of_a_paused_index(
    what: str, known: Facts, expected: type[Action] | None
) -> None:
    action = decide(replace(known, paused=True))
    assert (None if action is None else type(action)) == expected, what


@pytest.mark.parametrize(
    ("known", "reason", "noticed"),
    [
        (facts(), "there is none yet", False),
        (facts(OLD_HASH), "its schema has changed", False),
        (facts(stored(1, "retired")), "it was superseded", False),
        (facts(OLD_LINEAGE), "another history of the database", True),
        (facts(LIVE, damaged={LIVE.generation.name.physical: GONE}), "its index is gone", True),
        (
            facts(LIVE, damaged={LIVE.generation.name.physical: ALIAS_GONE}),
            "its alias is gone",
            True,
        ),
        (
            facts(stored(1, "seeding"), damaged={LIVE.generation.name.physical: GONE}),
            "its index is gone",
            True,
        ),
    ],
)
def test_a_new_generation_has_a_reason(known: Facts, reason: str, *, noticed: bool) -> None:
    action = decide(known)
    assert isinstance(action, Create)
    assert reason in action.reason
    assert action.noticed == noticed
