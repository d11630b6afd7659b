"""Whether the schema of this process leads, or the process stands by because living workers have a newer one."""

from __future__ import annotations

import logging

from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_worker.generations.record import Known
from flusso_worker.generations.schema_order import HeartbeatOptions, Liveness, SchemaOrder
from flusso_worker.generations.steps import GenerationSteps

logger = logging.getLogger(__name__)

_MAX_ATTEMPTS = 10


class Leadership:
    """Of the schemas of one index, as one process sees it.  Owned by its keeper."""

    def __init__(
        self,
        index: str,
        own: str,
        steps: GenerationSteps,
        clock: Clock,
        heartbeat: HeartbeatOptions,
    ) -> None:
        self._index = index
        self._own = own
        self._steps = steps
        self._clock = clock
        self._heartbeat = heartbeat
        self._liveness = Liveness(heartbeat)
        self._order: SchemaOrder | None = None
        """As last read: the bookkeeping may be deleted."""
        self.leading = own
        """The schema that counts."""

    @property
    def standby(self) -> bool:
        """Whether the process stands by."""
        return self.leading != self._own

    def observe(self) -> Known:
        """What is recorded of the index, once the schema of this process has its place in the order.

        Raises `RetryableError` when other workers keep changing the order.
        """
        for _ in range(_MAX_ATTEMPTS):
            known = self._steps.read_index()
            self._liveness.observe(self._clock.monotonic(), known.carriers)
            living = {carrier.hash for carrier in self._liveness.living}
            order = self._recorded(known)
            wanted = order.changed(self._own, living)
            if wanted is None and known.ordered is not None:
                self._settle(order, living)
                return known
            took_over = self._own in order.hashes and wanted is not None
            done = self._steps.store.put_order(wanted or order, known.ordered)
            if done and took_over:
                self._tell("no worker with a newer schema is left; schema %s takes over", self._own)
        raise RetryableError(
            f"other workers keep changing the order of the schemas of {self._index}"
        )

    def _recorded(self, known: Known) -> SchemaOrder:
        if known.ordered is not None:
            return known.ordered.order
        if self._order is not None:
            return self._order
        made = [item.generation.name.hash for item in known.stored]
        others = [hash for hash in dict.fromkeys(made) if hash != self._own]
        return SchemaOrder(self._index, tuple(others))

    def _settle(self, order: SchemaOrder, living: set[str]) -> None:
        self._order = order
        for carrier in self._liveness.gone:
            self._steps.store.forget_worker(carrier)
        leading = order.leading(self._own, living)
        if leading != self.leading and leading != self._own:
            self._tell(
                "stands by: living workers have schema %s, which is newer than %s of this worker; it takes over"
                " %.0f s after they end, %.0f s after their last heartbeat, or with `flusso reindex %s --take-over`",
                leading,
                self._own,
                self._heartbeat.grace,
                self._heartbeat.lease,
                self._index,
            )
        self.leading = leading

    def _tell(self, message: str, *arguments: object) -> None:
        logger.warning(
            "index %s: " + message,  # noqa: G003 - one prefix
            self._index,
            *arguments,
            extra={"action": "standby", "index": self._index},
        )
