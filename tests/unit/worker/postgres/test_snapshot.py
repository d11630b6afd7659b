"""Versions from snapshots: a later snapshot never has a lower version."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.change import Origin
from flusso_worker.postgres.snapshot import Snapshot, parse, split_version, version

ORIGIN = Origin("7000", 3)


def test_text_of_postgres_is_read() -> None:
    snapshot = parse("10:20:10,14,15", ORIGIN, 1.5)
    assert snapshot == Snapshot(ORIGIN, 20, frozenset({10, 14, 15}), 1.5)
    assert parse("735:735:", ORIGIN, 0.0).running == frozenset()


def test_visibility_follows_the_rule_of_postgres() -> None:
    snapshot = parse("10:20:10,14", ORIGIN, 0.0)
    assert [xid for xid in range(8, 23) if not snapshot.sees(xid)] == [10, 14, 20, 21, 22]


def test_ids_of_another_history_are_no_reason_to_wait() -> None:
    snapshot = parse("10:20:", ORIGIN, 0.0)
    xids = {ORIGIN: [5, 25], Origin("7000", 2): [26], Origin("7001", 3): [27]}
    assert snapshot.hidden(xids) == [25]


def test_a_later_timeline_has_the_higher_version() -> None:
    assert version(4, 0) > version(3, 2**40)
    assert split_version(version(7, 123)) == (7, 123)


def test_version_fits_a_signed_long() -> None:
    assert version(2**14, 2**47) < 2**63


class History:
    """Transactions as Postgres numbers them: ids at the first write, snapshots as procarray takes them."""

    def __init__(self) -> None:
        self.next = 3
        self.running: set[int] = set()
        self.latest_completed = 2
        self.visible: set[int] = set()

    def begin(self) -> None:
        self.running.add(self.next)
        self.next += 1

    def end(self, choice: int, commits: bool) -> None:
        if self.running:
            xid = sorted(self.running)[choice % len(self.running)]
            self.running.discard(xid)
            self.latest_completed = max(self.latest_completed, xid)
            if commits:
                self.visible.add(xid)

    def snapshot(self) -> tuple[Snapshot, frozenset[int]]:
        xmax = self.latest_completed + 1
        inside = sorted(xid for xid in self.running if xid < xmax)
        xmin = min([*self.running, xmax])
        text = f"{xmin}:{xmax}:{','.join(map(str, inside))}"
        return parse(text, ORIGIN, 0.0), frozenset(self.visible)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.booleans()), max_size=200))
def test_versions_order_snapshots_as_their_data(
    steps: list[tuple[int, int, bool]],
) -> None:
    history = History()
    taken = [history.snapshot()]
    for action, choice, commits in steps:
        if action <= 1:
            history.begin()
        elif action == 2:
            history.end(choice, commits)
        taken.append(history.snapshot())
    for (earlier, saw_earlier), (later, saw_later) in itertools.pairwise(taken):
        assert later.version >= earlier.version
        assert saw_earlier <= saw_later
        if later.version == earlier.version:
            assert saw_later == saw_earlier
        assert all(later.sees(xid) for xid in saw_later)
        assert not any(later.sees(xid) for xid in history.running - saw_later if xid < later.xmax)


def test_versions_of_long_random_histories_never_decrease() -> None:
    chance, history, last = random.Random(5), History(), 0
    for _ in range(5000):
        if chance.random() < 0.5:
            history.begin()
        else:
            history.end(chance.randrange(1000), chance.random() < 0.8)
        snapshot, _ = history.snapshot()
        assert snapshot.version >= last
        last = snapshot.version
