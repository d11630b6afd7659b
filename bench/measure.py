"""What a measure is, and what becomes of its readings: a line of a table, and a plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from world import World


@dataclass(frozen=True)
class Reading:
    """One round of a measure."""

    product: float
    yardstick: float | None = None
    """The same work by the yardstick, in the same round; None where there is none."""
    details: Mapping[str, float] = field(default_factory=dict)
    """What else was seen, for the table of rounds."""


@dataclass(frozen=True)
class Measure:
    """One line of the results."""

    name: str
    """A word for the command line."""
    title: str
    unit: str
    """Of `product` and `yardstick`."""
    goal: float
    """What the median of `value` has to reach."""
    at_most: bool
    """Whether the goal is an upper limit."""
    run: Callable[[World], list[Reading]]

    def value(self, reading: Reading) -> float:
        """The rate of the product over that of the yardstick, or the product's own figure without one."""
        if reading.yardstick is None:
            return reading.product
        return reading.yardstick / reading.product

    def median(self, readings: Sequence[Reading]) -> float:
        return statistics.median(self.value(reading) for reading in readings)

    def met(self, readings: Sequence[Reading]) -> bool:
        """Whether the goal is reached."""
        median = self.median(readings)
        return median <= self.goal if self.at_most else median >= self.goal
