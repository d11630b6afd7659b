"""What a check has found, as one value that the reports show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flusso_cli.check.probe.facts import ServerFacts
from flusso_cli.check.probe.kafka import BrokerFacts
from flusso_cli.check.probe.opensearch import ClusterFacts
from flusso_cli.check.rules.publication import PublicationCoverage
from flusso_cli.check.rules.replica_identity import Shortfall
from flusso_cli.diagnostics.model import Diagnostic, failed
from flusso_shared.config.project import Project


@dataclass(slots=True)
class Report:
    """Grows while the check goes on; what was not asked, or did not answer, stays None."""

    project: Project
    origin: str
    """The file that was checked."""
    offline: bool
    diagnostics: list[Diagnostic] = field(default_factory=list)
    server: ServerFacts | None = None
    coverage: PublicationCoverage | None = None
    identity: Sequence[Shortfall] | None = None
    brokers: BrokerFacts | None = None
    clusters: list[ClusterFacts] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether any diagnostic is an error."""
        return failed(self.diagnostics)
