"""The files of a first configuration: what stands in them, and that none is lost by writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flusso_cli.init import names
from flusso_cli.init.document import SchemaFile, schema_file
from flusso_cli.init.survey import Survey
from flusso_cli.json_schema.command import Which
from flusso_cli.json_schema.command import text as json_schema
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName

_FOLDER = Path("schemas")
_CONFIG = """\
#:schema schemas/config.schema.json
# `flusso init` wrote this.  The first line is for editors: completion, and what each key means.

[source]
type = "postgres"
connection_url = { env = "DATABASE_URL" }

[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:9200" # PRIMARY_OPENSEARCH_URL in the environment wins
# username = "flusso"
# password = { env = "PRIMARY_OPENSEARCH_PASSWORD" }
number_of_replicas = 0 # one node has no place for replicas; with more, say 1

# For flusso-capture and flusso-worker.  `flusso run` is both in one process and needs no Kafka.
# [queue]
# bootstrap_servers = "127.0.0.1:9092"
# topic_prefix = "flusso"
# partitions = 4
# replication_factor = 1
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """The schema file of one table."""

    table: TableName
    path: Path
    """From the folder of the configuration."""
    schema: SchemaFile


def plan_files(survey: Survey, tables: Sequence[TableName]) -> tuple[str, list[Planned]]:
    """The text of `flusso.toml`, and every schema file."""
    indexes = names.index_names(tables)
    planned = [
        Planned(table, _FOLDER / f"{indexes[table]}.schema.yml", schema_file(survey, table))
        for table in tables
    ]
    entries = [
        f"\n[[index]]\nname = {json.dumps(indexes[item.table])}\n"
        f"schema = {json.dumps(item.path.as_posix())}\n"
        for item in planned
    ]
    return _CONFIG + "".join(entries), planned


def editor_files() -> dict[Path, str]:
    """The JSON Schemas that the first lines of the files name, by path from the folder of the configuration."""
    return {_FOLDER / f"{which}.schema.json": f"{json_schema(which)}\n" for which in Which}


def write_files(files: Mapping[Path, str], *, force: bool) -> None:
    """Write all of them, or none where one is there already.  Raises `FatalError`."""
    there = [str(path) for path in files if path.exists() or path.is_symlink()]
    if there and not force:
        raise FatalError(
            f"nothing was written, as there is already {', '.join(there)};"
            " name another folder with --out, or overwrite with --force"
        )
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # `x`: a file created in the meantime is not overwritten either.
            with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise FatalError(f"cannot write {path}: {error.strerror}") from error
