"""The administration of a process that runs no worker: through the bookkeeping that the workers act on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flusso_shared.config.project import Project
from flusso_shared.errors import FlussoError
from flusso_shared.process.service import Core
from flusso_shared.seams import ChangeLog
from flusso_worker.administration import WorkerAdministration
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.options import worker_options

logger = logging.getLogger(__name__)

_NO_TIMEOUT = 0.0


@contextmanager
def administered(
    project: Project, index_prefix: str | None, log: ChangeLog, core: Core
) -> Iterator[None]:
    """Within the block the requests of operators reach the first OpenSearch sink, if there is one."""
    found = _administration(project, index_prefix, log, core)
    if found is None:
        yield
        return
    with core.administration_slot.holding(found):
        yield


def _administration(
    project: Project, index_prefix: str | None, log: ChangeLog, core: Core
) -> WorkerAdministration | None:
    """None where the process lacks what the sink needs, a secret perhaps: it writes no documents."""
    try:
        options = worker_options(project, index_prefix, _NO_TIMEOUT)
        if not options.opensearch:
            return None
        # There is an OpenSearch sink, so nothing is in memory.
        return WorkerAdministration(options, project.plan, log, core.clock, LocalStore())
    except FlussoError as error:
        logger.info("this process takes no requests for indexes: %s", error)
        return None
