"""Asks a server in a thread, and waits for the answer no longer than the caller wants to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from flusso_shared.errors import FlussoError

logger = logging.getLogger(__name__)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a server answered, or why there is no answer."""

    value: T | None = None
    error: str | None = None


class Question(Generic[T]):
    """A question to one server, asked by one thread at a time: where a server hangs, no threads pile up.

    `ask` and `answer` are called from one thread.
    """

    def __init__(self, whom: str) -> None:
        """`whom` names the server in messages."""
        self._whom = whom
        self._pending: _Pending[T] | None = None

    def ask(self, action: Callable[[], T]) -> None:
        """Begin to ask, unless the last question has no answer yet: then that one's answer counts."""
        if self._pending is not None and not self._pending.done.is_set():
            return
        self._pending = _Pending(action)
        threading.Thread(target=self._pending.run, name="overview", daemon=True).start()

    def answer(self, deadline: float) -> Answer[T]:
        """The answer, at the latest at `deadline`, in monotonic seconds."""
        pending = self._pending
        assert pending is not None, "ask comes before answer"
        if pending.done.wait(max(0.0, deadline - monotonic())):
            return pending.answer
        waited = monotonic() - pending.began
        return Answer(error=f"{self._whom} has not answered for {waited:.0f} s")


def ask_all(actions: Mapping[K, Callable[[], T]], deadline: float) -> dict[K, Answer[T]]:
    """Ask all at once; `deadline` is in monotonic seconds.  The actions end by themselves, not long after it."""
    questions: dict[K, Question[T]] = {}
    for key, action in actions.items():
        questions[key] = Question(str(key))
        questions[key].ask(action)
    return {key: question.answer(deadline) for key, question in questions.items()}


class _Pending(Generic[T]):
    """One question on its way."""

    def __init__(self, action: Callable[[], T]) -> None:
        self._action = action
        self.began = monotonic()
        self.done = threading.Event()
        self.answer: Answer[T] = Answer()

    def run(self) -> None:
        try:
            self.answer = Answer(self._action())
        except FlussoError as error:
            self.answer = Answer(error=str(error))
        except Exception as error:
            logger.debug("a part of the overview failed", exc_info=error)
            self.answer = Answer(error=f"{type(error).__name__}: {error}")
        finally:
            self.done.set()
