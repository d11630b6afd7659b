"""What happens to a document that can never be written: `on_error` of its index decides (I8)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_shared.config import OnError
from flusso_shared.errors import PoisonError
from flusso_shared.metrics import Metrics
from flusso_shared.status import Status

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The policy of one index.  Thread-safe."""

    index: str
    policy: OnError
    metrics: Metrics
    status: Status

    def reject(self, document: str, reason: str) -> None:
        """Skip the document, loudly; or raise `PoisonError` when the index is to stop at it.

        What the index holds for the document stays as it is.
        """
        if self.policy == "stop":
            raise PoisonError(
                f"index {self.index}: document {document!r} can not be written: {reason}. "
                'Repair the row or the schema, or set on_error = "skip" to go on without such documents'
            )
        self.metrics.documents_quarantined.labels(self.index).inc()
        self.status.add("documents_quarantined")
        logger.warning(
            "index %s: document %r skipped: %s",
            self.index,
            document,
            reason,
            extra={"action": "quarantined", "index": self.index, "document": document},
        )
