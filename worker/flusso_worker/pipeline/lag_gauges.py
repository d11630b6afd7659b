"""The gauges of an index's lag, computed when they are scraped."""

from __future__ import annotations

import math
from collections.abc import Callable

from flusso_shared.health.backlogs import Backlogs, Lag
from flusso_shared.metrics import Metrics


def export_lag(metrics: Metrics, backlogs: Backlogs, index: str) -> None:
    """Have `/metrics` show the lag of the index; NaN while it is not known."""

    def of(number: Callable[[Lag], float | None]) -> Callable[[], float]:
        def value() -> float:
            lag = backlogs.lag(index)
            found = None if lag is None else number(lag)
            return math.nan if found is None else found

        return value

    metrics.gauge("flusso_index_lag_records", index).set_function(of(lambda lag: lag.records))
    metrics.gauge("flusso_index_lag_seconds", index).set_function(of(lambda lag: lag.seconds))
    metrics.gauge("flusso_acknowledgement_age_seconds", index).set_function(
        of(lambda lag: lag.acknowledged_seconds_ago)
    )
