"""One index in one process: what runs, what fails, and when it is tried again."""

from __future__ import annotations

from typing import cast

import pytest

from fakes.keeper import FakeKeeper
from fakes.pipeline import FakePipeline
from flusso_shared.change import Change, Op
from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.errors import (
    FatalError,
    PoisonError,
    RetryableError,
    SchemaChangedError,
)
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName, TableName
from flusso_shared.plan.model import IndexPlan, Way
from flusso_shared.status import Progress, Status
from flusso_worker.generations.keeper import Active
from flusso_worker.generations.record import State
from flusso_worker.index_runner import IndexRunner
from flusso_worker.pipeline.pipeline import Pipeline
from flusso_worker.pipeline.spec import WorkerContext

USERS = TableName("public", "users")
PLAN = IndexPlan("users", "01234567", USERS, ("id",), (), None, (), (Way(USERS, ("id",), (), ""),))
FIRST, SECOND = (GenerationName("users", "01234567", number) for number in (1, 2))


class Rig:
    def __init__(self) -> None:
        self.now = 100.0
        self.keeper = FakeKeeper()
        self.made: list[FakePipeline] = []
        self.status = Status()
        self.log = MemoryLog()
        context = WorkerContext(self.log, Metrics(), self.status)
        self.runner = IndexRunner("users", self.keeper, self.make, context, lambda: self.now)

    def make(self, item: Active) -> Pipeline:
        self.made.append(FakePipeline(item))
        return cast(Pipeline, self.made[-1])

    @property
    def shown(self) -> str:
        return str(self.status.to_json()["indexes"]["users"])

    def run(self, *active: Active) -> None:
        self.keeper.active = list(active)
        self.runner.step()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def active(name: GenerationName, state: str) -> Active:
    return Active(name=name, plan=PLAN, state=state, group=name.group("p"), progress=None)  # type: ignore[arg-type]


def test_each_generation_has_one_pipeline(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.run(active(FIRST, "live"), active(SECOND, "seeding"))
    rig.run(active(FIRST, "live"), active(SECOND, "seeding"))
    assert [made.name for made in rig.made] == [FIRST, SECOND]
    assert rig.shown == "backfilling"


def test_a_superseded_generation_is_drained_and_joined(rig: Rig) -> None:
    rig.run(active(FIRST, "live"), active(SECOND, "seeding"))
    rig.run(active(SECOND, "live"))
    old = rig.made[0]
    assert old.stopped
    assert not old.joined
    old.running = False
    rig.run(active(SECOND, "live"))
    assert old.joined
    assert rig.shown == "seeded"


def test_it_is_ready_once_every_pipeline_reads(rig: Rig) -> None:
    rig.run()
    assert not rig.runner.ready
    rig.run(active(FIRST, "live"))
    assert not rig.runner.ready
    rig.made[0].reading.set()
    assert rig.runner.ready


def test_a_failure_stops_the_index_and_is_tried_again_later(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.made[0].fail(PoisonError("document 7"))
    rig.runner.step()
    assert rig.shown == "stopped"
    assert rig.status.to_json()["last_error"] == "index users: document 7"
    assert rig.runner.ready
    assert len(rig.made) == 1
    rig.now += 1.0
    rig.runner.step()
    assert len(rig.made) == 2
    assert rig.shown == "stopped"
    rig.made[1].healthy = True
    rig.runner.step()
    assert rig.shown == "seeded"


def test_one_generation_failing_leaves_the_other(rig: Rig) -> None:
    rig.run(active(FIRST, "live"), active(SECOND, "seeding"))
    rig.made[1].fail(FatalError("gone"))
    rig.runner.step()
    assert not rig.made[0].stopped
    assert rig.made[0].running


def test_an_unexpected_error_is_raised(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.made[0].fail(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        rig.runner.step()


def test_bookkeeping_that_fails_for_now_leaves_the_pipelines_running(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.keeper.error = RetryableError("no cluster")
    for _ in range(3):
        assert rig.status.to_json()["last_error"] is None
        rig.runner.step()
        rig.now += 1.0
    assert str(rig.status.to_json()["last_error"]).endswith("no cluster")
    assert not rig.made[0].stopped
    rig.keeper.error = None
    rig.runner.step()
    assert rig.shown == "seeded"


def test_bookkeeping_that_fails_for_good_stops_the_index(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.keeper.error = FatalError("an index has the alias' name")
    rig.runner.step()
    assert rig.made[0].stopped
    assert rig.shown == "stopped"


@pytest.mark.parametrize(
    ("state", "progress", "transition_near"),
    [
        ("live", None, False),
        ("seeding", None, True),
        ("seeding", Progress(0, 0), True),
        ("seeding", Progress(10, 100), False),
        ("seeding", Progress(90, 100), True),
    ],
)
def test_the_end_of_a_seeding_is_watched_for(
    rig: Rig, state: State, progress: Progress | None, transition_near: bool
) -> None:
    rig.keeper.active = [Active(FIRST, PLAN, state, "g", progress)]
    rig.runner.step()
    assert rig.runner.transition_near == transition_near


def test_the_wanted_snapshot_is_passed_on(rig: Rig) -> None:
    rig.keeper.snapshot = USERS
    rig.run(active(FIRST, "seeding"))
    assert rig.runner.wanted_snapshot == USERS


def test_altered_tables_are_bound_again_and_nothing_has_stopped(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.made[0].fail(SchemaChangedError("columns were altered"))
    rig.run(active(FIRST, "live"))
    assert rig.shown == "seeded"
    rig.now += 0.5
    rig.run(active(FIRST, "live"))
    assert [made.name for made in rig.made] == [FIRST, FIRST]


def test_a_paused_index_drains_and_goes_on(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.keeper.paused = True
    rig.keeper.evicted = {SECOND}
    rig.run()
    (pipeline,) = rig.made
    assert pipeline.stopped
    assert rig.shown == "paused"
    assert rig.runner.ready
    assert not rig.runner.transition_near
    # While it drains, nothing is evicted.
    assert rig.keeper.evicted == {SECOND}
    pipeline.running = False
    rig.run()
    assert rig.keeper.evicted == set()
    rig.keeper.paused = False
    rig.run()
    assert rig.shown == "pending"
    rig.run(active(FIRST, "live"))
    assert rig.shown == "seeded"
    assert len(rig.made) == 2


def test_an_index_that_had_stopped_may_be_paused(rig: Rig) -> None:
    rig.run(active(FIRST, "live"))
    rig.made[0].fail(FatalError("gone"))
    rig.runner.step()
    rig.keeper.paused = True
    rig.run()
    assert rig.shown == "paused"


def test_the_lag_of_a_stopped_index_is_read_from_the_log(rig: Rig) -> None:
    """Nothing waits to be acknowledged there, so it is no stall."""
    group = rig.log.groups
    group.reset(FIRST.group("p"), group.ends([USERS]))
    rig.run(active(FIRST, "live"))
    rig.made[0].fail(PoisonError("document 7"))
    writer = rig.log.writer()
    for number in range(3):
        assert writer.publish(Change(Op.CREATE, USERS, (str(number),), None, {}), lambda: None)
    rig.now += 10.0
    rig.run(active(FIRST, "live"))
    assert rig.shown == "stopped"
    assert rig.status.to_json()["lag"]["users"]["records"] == 3
    assert rig.status.health().reasons == ("index users has stopped: document 7",)
