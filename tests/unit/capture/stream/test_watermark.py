"""The watermark compared with a simple model."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flusso_capture.stream.watermark import Transaction, Watermark


def test_a_transaction_is_confirmed_at_its_end_when_all_is_acknowledged() -> None:
    watermark = Watermark(5)
    transaction = watermark.begin_transaction()
    transaction.change_published()
    transaction.change_published()
    transaction.change_acknowledged()
    watermark.commit_transaction(20)
    assert watermark.confirmed() == 5
    transaction.change_acknowledged()
    assert watermark.confirmed() == 20
    assert watermark.acknowledged == 2


def test_everything_acknowledged_is_not_enough_while_the_transaction_is_open() -> None:
    watermark = Watermark()
    transaction = watermark.begin_transaction()
    transaction.change_published()
    transaction.change_acknowledged()
    watermark.keepalive(100)
    assert watermark.confirmed() == 0


def test_a_later_transaction_waits_for_an_earlier_one() -> None:
    watermark = Watermark()
    first = watermark.begin_transaction()
    first.change_published()
    watermark.commit_transaction(10)
    second = watermark.begin_transaction()
    second.change_published()
    watermark.commit_transaction(20)
    second.change_acknowledged()
    assert watermark.confirmed() == 0
    first.change_acknowledged()
    assert watermark.confirmed() == 20


def test_an_idle_stream_follows_the_keepalives() -> None:
    watermark = Watermark(5)
    watermark.keepalive(50)
    assert watermark.confirmed() == 50
    watermark.keepalive(40)
    assert watermark.confirmed() == 50


def test_a_keepalive_during_the_wait_counts_once_the_wait_is_over() -> None:
    watermark = Watermark()
    transaction = watermark.begin_transaction()
    transaction.change_published()
    watermark.commit_transaction(10)
    watermark.keepalive(30)
    assert watermark.confirmed() == 0
    transaction.change_acknowledged()
    assert watermark.confirmed() == 30


def test_transactions_do_not_nest() -> None:
    watermark = Watermark()
    with pytest.raises(ValueError, match="no transaction"):
        watermark.commit_transaction(1)
    watermark.begin_transaction()
    with pytest.raises(ValueError, match="open already"):
        watermark.begin_transaction()


@dataclass
class _Known:
    """What the model knows of a transaction."""

    real: Transaction
    acks_missing: int = 0
    end: int | None = None
    later: list[int] = field(default_factory=list)
    """Keepalives after its end and before the next transaction."""


class AgainstTheModel(RuleBasedStateMachine):
    """Keeps all transactions and goes through all of them each time."""

    def __init__(self) -> None:
        super().__init__()
        self.lsn = 100
        self.watermark = Watermark(self.lsn)
        self.start = self.lsn
        self.idle: list[int] = []
        self.known: list[_Known] = []
        self.last = self.lsn

    @property
    def open(self) -> bool:
        return bool(self.known) and self.known[-1].end is None

    def expected(self) -> int:
        reached = max([self.start, *self.idle])
        for item in self.known:
            if item.end is None or item.acks_missing:
                break
            reached = max([reached, item.end, *item.later])
        return reached

    @precondition(lambda self: not self.open)
    @rule()
    def begin(self) -> None:
        self.known.append(_Known(self.watermark.begin_transaction()))

    @precondition(lambda self: self.open)
    @rule(number=st.integers(1, 3))
    def publish(self, number: int) -> None:
        for _ in range(number):
            self.known[-1].real.change_published()
            self.known[-1].acks_missing += 1

    @precondition(lambda self: self.open)
    @rule(step=st.integers(1, 10))
    def commit(self, step: int) -> None:
        self.lsn += step
        self.watermark.commit_transaction(self.lsn)
        self.known[-1].end = self.lsn

    @precondition(lambda self: any(item.acks_missing for item in self.known))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from([item for item in self.known if item.acks_missing]))
        item.real.change_acknowledged()
        item.acks_missing -= 1

    @rule(step=st.integers(0, 10))
    def keepalive(self, step: int) -> None:
        # While a transaction is sent, keepalives tell of what came before it.
        if not self.open:
            self.lsn += step
        self.watermark.keepalive(self.lsn)
        if self.open:
            return
        if self.known:
            self.known[-1].later.append(self.lsn)
        else:
            self.idle.append(self.lsn)

    @invariant()
    def agrees(self) -> None:
        confirmed = self.watermark.confirmed()
        assert confirmed == self.expected()
        assert confirmed >= self.last
        self.last = confirmed
        missing = sum(item.acks_missing for item in self.known)
        assert self.watermark.unacknowledged == missing


AgainstTheModel.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,  # steps take long on a busy machine
)
TestAgainstTheModel = AgainstTheModel.TestCase
