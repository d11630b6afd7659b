"""Asks the servers for what the announcement follows from.  Changes nothing."""

from __future__ import annotations

import psycopg

from flusso_capture.options import CaptureOptions
from flusso_capture.source.connection import connect
from flusso_cli.admin.deployment import Deployment
from flusso_cli.check.probe import kafka
from flusso_cli.plan.facts import Facts, Recorded, Wanted
from flusso_cli.plan.source_facts import ChangeLogFacts, read_rows, read_source
from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.client import Clients
from flusso_shared.changelog.memory.log import MemoryControl
from flusso_shared.changelog.topic_names import control_topic, topic_name
from flusso_shared.config.connections import queue_connection
from flusso_shared.plan.bind import read_bound, same_names
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.errors import translate
from flusso_shared.process.environment import environment
from flusso_shared.seams import Control
from flusso_worker.generations.applied_options import applied_options
from flusso_worker.generations.control import OpenSearchControl
from flusso_worker.generations.decide import Damage
from flusso_worker.generations.physical import GenerationIndexes, creation_settings

_RENAMED = Damage("names in its schema refer to other tables or columns of the database now")


def gather(servers: Deployment, options: CaptureOptions) -> Facts:
    """The facts.  Raises `FlussoError` when a server does not answer, or refuses to."""
    with connect(options.conninfo) as connection:
        try:
            plan = read_bound(connection, servers.project.plan)
            recorded = _recorded(servers, plan)
            log, missing = _change_log(servers, options, plan, recorded)
            source = read_source(connection, options, plan, log)
            rows = read_rows(connection, plan.roots)
        except psycopg.Error as error:
            raise translate(error, "look at the database") from error
    config = servers.project.config
    return Facts(
        prefix=servers.prefix,
        wanted=[
            Wanted(
                index, applied_options(index, config.policy(index.name), config.limit(index.name))
            )
            for index in plan.indexes
        ],
        disabled={index.name for index in config.indexes if not index.enabled},
        recorded=recorded,
        settings={cluster.name: creation_settings(cluster.config) for cluster in servers.clusters},
        source=source,
        topics=missing,
        rows=rows,
        durable=log.durable,
    )


def _recorded(servers: Deployment, plan: Plan) -> dict[str, Recorded]:
    """What there is of each index that has a generation."""
    found: dict[str, Recorded] = {}
    wanted = {index.name: index for index in plan.indexes}
    for name in servers.store.indexes():
        known = servers.store.read_index(name)
        damaged: dict[str, Damage] = {}
        for item in known.stored:
            generation = item.generation
            if generation.state not in ("seeding", "live") or name not in wanted:
                continue
            same_hash = generation.name.hash == wanted[name].hash
            if same_hash and not same_names(generation.plan, wanted[name]):
                damaged[generation.name.physical] = _RENAMED
            for cluster in servers.clusters:
                live = generation.state == "live" and not generation.promoting
                if damage := GenerationIndexes(cluster).damage(generation.name, live=live):
                    damaged[generation.name.physical] = damage
        numbers = [each.number for each in servers.store.physical(name)]
        found[name] = Recorded(known, damaged, max(numbers, default=0))
    return found


def _change_log(
    servers: Deployment, options: CaptureOptions, plan: Plan, recorded: dict[str, Recorded]
) -> tuple[ChangeLogFacts, list[str]]:
    """The change log that the generations read, else that of the configuration; and the topics that are missing in it."""
    queue, env = servers.project.config.queue, environment()
    made = [item.generation for each in recorded.values() for item in each.known.stored]
    in_kafka = bool(queue.model_fields_set) or "KAFKA_BOOTSTRAP_SERVERS" in env
    durable = made[-1].durable if made else in_kafka
    if not durable:
        control: Control = OpenSearchControl(servers.clusters[0], servers.prefix, options.slot)
        return ChangeLogFacts(control, False, {}, bool(made)), []
    connection = queue_connection(queue, env)
    brokers = kafka.ask(connection, plan.tables)
    prefix = connection.topic_prefix
    written = control_topic(prefix) not in brokers.missing
    names = {table: topic_name(prefix, table) for table in plan.tables}
    ids = Admin(Clients(connection)).ids(set(names.values()))
    facts = ChangeLogFacts(
        control=servers.log.control if written else MemoryControl(None),
        durable=True,
        topic_ids={table: ids.get(name, "") for table, name in names.items()},
        recorded=bool(made),
    )
    return facts, brokers.missing
