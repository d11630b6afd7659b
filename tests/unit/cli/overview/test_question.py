"""Questions to servers that may not answer."""

from __future__ import annotations

import threading
from time import monotonic

from flusso_cli.overview.question import Question, ask_all
from flusso_shared.errors import RetryableError


def refuse() -> int:
    raise RetryableError("not now")


def test_an_answer() -> None:
    question: Question[int] = Question("it")
    question.ask(lambda: 7)
    assert question.answer(monotonic() + 30).value == 7


def test_the_reason_why_there_is_no_answer() -> None:
    question: Question[int] = Question("it")
    question.ask(refuse)
    assert question.answer(monotonic() + 30).error == "not now"


def test_an_unexpected_error_is_a_reason_too() -> None:
    question: Question[int] = Question("it")
    question.ask(lambda: int("seven"))
    error = question.answer(monotonic() + 30).error
    assert error is not None
    assert error.startswith("ValueError: ")


def test_a_server_that_hangs_is_asked_once_until_it_answers() -> None:
    go_on, asked = threading.Event(), 0

    def hang() -> int:
        nonlocal asked
        asked += 1
        go_on.wait(30)
        return asked

    question: Question[int] = Question("the server")
    for _ in range(3):
        question.ask(hang)
        error = question.answer(monotonic()).error
        assert error is not None
        assert error.startswith("the server has not answered for ")
    assert asked == 1
    go_on.set()
    assert question.answer(monotonic() + 30).value == 1
    question.ask(hang)
    assert question.answer(monotonic() + 30).value == 2


def test_many_are_asked_at_once() -> None:
    barrier = threading.Barrier(3)
    answers = ask_all({name: lambda: barrier.wait(30) for name in "abc"}, monotonic() + 30)
    assert {answer.value for answer in answers.values()} == {0, 1, 2}
