"""A pipeline over tables and schemas of the test's own, once in each way to run one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from services import Services
from support import names, web
from support.expected import compare
from support.idle import Progress
from support.processes import Pipeline, Site, cleaned_up, embedded_pipeline, kafka_pipeline
from support.waiting import until_none

QUEUES = ("flusso run", "kafka")
_DEADLINE = 90.0


@dataclass(frozen=True)
class SchemaPipeline:
    """Tables under a pipeline that runs; all indexes are live."""

    site: Site
    client: httpx.Client
    indexes: tuple[str, ...]
    pipeline: Pipeline
    progress: Progress

    def read(self, name: str) -> Mapping[str, Any]:
        """The documents of an index now, by id."""
        return compare.read_index(self.client, self.site.index_prefix + name) or {}

    def read_all(self) -> dict[str, Mapping[str, Any]]:
        """The documents of every index, once everything that was done is applied."""
        self.progress.wait_until_idle(_DEADLINE)
        self.pipeline.check()
        return {name: self.read(name) for name in self.indexes}


@contextmanager
def schema_pipeline(
    services: Services,
    folder: Path,
    queue: str,
    schemas: Mapping[str, str],
    create: Callable[[str], object],
    last_change: str,
    options: str = "",
) -> Iterator[SchemaPipeline]:
    """A pipeline of `queue` over the tables that `create` makes at a URL, with an index for each of `schemas` (YAML, by name).

    `last_change` is a published change that leaves the documents as they are; `options` are lines of TOML for each
    index.
    """
    with names.site(services) as found, web.client(found.opensearch_url) as client:
        site = replace(found.with_schemas(folder, schemas, options), partitions=2)
        create(site.database_url)
        embedded = queue == "flusso run"
        made = embedded_pipeline(site, folder) if embedded else kafka_pipeline(site, folder, 2)
        topics = None if embedded else site.topic_prefix
        progress = Progress(
            site.database_url, site.slot, site.kafka, topics, last_change=last_change
        )
        with cleaned_up(made) as pipeline:
            pipeline.start()
            aliases = [site.index_prefix + name for name in schemas]

            def missing() -> str | None:
                pipeline.check()
                return None if compare.generations(client, aliases) else "an alias is missing"

            until_none("live", missing, _DEADLINE)
            yield SchemaPipeline(site, client, tuple(schemas), pipeline, progress)
            pipeline.stop()
