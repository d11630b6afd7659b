"""What the private surface can be asked to do, and who does it in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Administration(Protocol):
    """Carries out what an operator asks for.  Called from the surface's threads.

    Raises `FatalError` with what to tell the operator, `RetryableError` when a server does not answer now.
    """

    def knows(self, index: str) -> bool:
        """Whether the index is among those kept here."""
        ...

    def reindex(self, index: str) -> str:
        """Have a new generation made; says what follows.  Recorded when it returns."""
        ...

    def cancel(self, index: str) -> str:
        """Give up the generation that is being made; says what became of it."""
        ...

    def take_over(self, index: str) -> str:
        """Have this process's schema of the index count as the newest; says what follows."""
        ...

    def generations(self) -> Sequence[Mapping[str, Any]]:
        """Every generation: index, name, state, lag, progress."""
        ...


class Reception:
    """Where the private surface finds the administration; nobody is there before the process is up."""

    def __init__(self) -> None:
        self.administration: Administration | None = None
