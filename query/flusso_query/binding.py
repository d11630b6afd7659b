"""Which index a model reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """The index that a model reads."""

    index: str
    """The logical name, as the configuration has it."""
    hash: str | None
    """The schema's hash; None addresses whatever schema is live."""
    complete: bool
    """Whether the model has every field of the schema."""

    def alias(self, prefix: str = "") -> str:
        """What searches are sent to."""
        return f"{prefix}{self.index}_{self.hash}" if self.hash else f"{prefix}{self.index}"
