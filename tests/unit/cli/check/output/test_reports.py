"""The two reports of `flusso check`: their layout, and that no secret is in them."""

from __future__ import annotations

import io
import json
import re
import textwrap
from pathlib import Path

import pytest
from rich.console import Console

from flusso_cli.check.output import addresses, json_report, text_report
from flusso_cli.check.output.report import Report
from flusso_cli.check.rules.publication import PublicationCoverage
from flusso_cli.check.rules.replica_identity import Shortfall
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.config.project import load_project
from flusso_shared.names import TableName

_CONFIG = """\
prefix = "search_"

[source]
type = "postgres"

[source.connection_url]
host = "db.internal"
port = 5433
user = "flusso"
password = "hidden1"
database = "library"

[sinks.main]
type = "opensearch"
url = "https://indexer:hidden2@search.internal:9200"
username = "indexer"
password = "hidden3"
tls_verify = false

[[index]]
name = "titles"
schema = "titles.schema.yml"

[[index]]
name = "members_next"
schema = "members.schema.yml"
enabled = false
"""
_TITLES = """\
table: title
schema: library
primary_key: id
soft_delete: { column: withdrawn_at }
fields:
  - integer: id
  - identifier: shelfMark
    column: shelf_mark
    required: true
  - object: edition
    fields:
      - date: printedOn
        column: printed_on
  - has_many: copies
    table: copy
    primary_key: id
    foreign_key: title_id
    fields:
      - { keyword: barcode, required: true, options: { ignore_above: 20 } }
  - { ids: loans, table: loan, foreign_key: title_id, element_type: long }
"""
_TREE = """\
Index  titles
─────────────
  id ............. integer  required
  shelfMark ...... text     required
  edition ........ object   required
    printedOn .... date     optional
  copies ......... nested   required
    barcode ...... keyword  required
  loans .......... long     required
"""
_INDEXES = """\
Indexes
───────
  titles        enabled   library.title  pk id   soft-delete column "withdrawn_at"
  members_next  disabled  public.member  pk id
"""
_TABLE = TableName("library", "copy")


def report_of(folder: Path, *diagnostics: Diagnostic, offline: bool = False) -> Report:
    (folder / "flusso.toml").write_text(_CONFIG)
    (folder / "titles.schema.yml").write_text(_TITLES)
    (folder / "members.schema.yml").write_text("{ table: member, primary_key: id, fields: [] }")
    project = load_project(folder / "flusso.toml")
    return Report(project, "library.toml", offline, list(diagnostics))


def shown(report: Report, env: dict[str, str] | None = None, *, colours: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=60, highlight=False, force_terminal=colours, no_color=not colours
    )
    text_report.write(report, console, env or {})
    return out.getvalue()


_ERROR = Diagnostic(
    "error",
    "unknown-column",
    "table `library.copy` has no column `barcod` (did you mean `barcode`?)",
    index="titles",
    field="copies.barcode",
    file="titles.schema.yml",
    line=21,
    column=9,
)
_WARNING = Diagnostic(
    "warning",
    "missing-index",
    "no index of table `library.copy` begins with `title_id`: every lookup reads the whole table",
    index="titles",
    field="copies",
    cure="create one",
    sql=('CREATE INDEX CONCURRENTLY "copy_title_id_idx" ON "library"."copy" ("title_id");',),
)


def test_offline_the_files_are_shown(tmp_path: Path) -> None:
    text = shown(report_of(tmp_path, offline=True))
    assert text.startswith("✓ config valid: library.toml\n\nSource\n──────\n")
    assert "  postgres  flusso@db.internal:5433/library\n" in text
    assert "  main  opensearch  https://indexer:***@search.internal:9200  tls-verify off\n" in text
    assert _INDEXES in text
    assert _TREE in text
    assert "members" not in text.partition("Index  titles")[2]
    assert text.endswith(
        "[offline] skipped database validation — types and nullability not checked\n\n✓ check passed\n"
    )


def test_what_is_wrong_comes_with_place_and_cure(tmp_path: Path) -> None:
    text = shown(report_of(tmp_path, _WARNING, _ERROR))
    validation = text.partition("Database validation\n")[2]
    assert validation == textwrap.dedent("""\
        ───────────────────
          [error] titles.copies.barcode  titles.schema.yml:21:9
              table `library.copy` has no column `barcod` (did you mean `barcode`?)
          [warning] titles.copies
              no index of table `library.copy` begins with `title_id`: every lookup reads the whole table
              → create one
                CREATE INDEX CONCURRENTLY "copy_title_id_idx" ON "library"."copy" ("title_id");

        [failed] schema disagrees with database or servers: 1 error, 1 warning
        """)


def test_a_database_that_fits(tmp_path: Path) -> None:
    text = shown(report_of(tmp_path))
    assert "(schema matches the database)" in text
    assert text.endswith("\n✓ check passed\n")
    assert shown(report_of(tmp_path, _WARNING)).endswith("\n✓ check passed, 1 warning\n")


def coverage(
    *, satisfied: bool = False, manageable: bool = True, manage: bool = True
) -> PublicationCoverage:
    return PublicationCoverage(
        publication="flusso",
        satisfied=satisfied,
        manageable=manageable,
        will_manage=manage and manageable and not satisfied,
        present=(TableName("library", "title"),),
        missing=() if satisfied else (_TABLE,),
        reasons=() if satisfied else ("publication flusso does not cover library.copy",),
        blockers=() if manageable else ("table library.copy belongs to another role",),
        remediation=()
        if satisfied
        else ('ALTER PUBLICATION "flusso" ADD TABLE "library"."copy";',),
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (coverage(satisfied=True), "✓ publication flusso covers the table"),
        (coverage(), "the next run does that"),
        (coverage(manage=False), "this role could, but managing the publication is off"),
        (
            coverage(manageable=False),
            "flusso cannot do that itself:\n  • table library.copy belongs",
        ),
    ],
)
def test_coverage_has_one_verdict(tmp_path: Path, found: PublicationCoverage, verdict: str) -> None:
    report = report_of(tmp_path)
    report.coverage = found
    text = shown(report)
    assert verdict in text
    assert ("Run to stream every table" in text) == (not found.satisfied)
    assert text.endswith("✓ check passed\n")


def test_replica_identity_that_the_next_run_sets(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    report.identity = [Shortfall(_TABLE, ("title_id",), True, ("FULL;", "INDEX;"), False, _TABLE)]
    text = shown(report)
    assert "• table library.copy: the log lacks title_id" in text
    assert "INDEX;" in text


def test_colours_only_where_they_are_wanted(tmp_path: Path) -> None:
    plain, coloured = (
        shown(report_of(tmp_path, _ERROR)),
        shown(report_of(tmp_path, _ERROR), colours=True),
    )
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_the_json_report(tmp_path: Path) -> None:
    report = report_of(tmp_path, _ERROR)
    report.coverage = coverage()
    text = json_report.to_json(report)
    value = json.loads(text)
    assert text == json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    assert value["passed"] is False
    (mapping,) = value["mappings"]
    assert (mapping["index"], len(mapping["hash"])) == ("titles", 8)
    fields = {field["name"]: field for field in mapping["fields"]}
    assert fields["id"] == {"name": "id", "mapping": {"type": "integer"}, "nullable": False}
    assert fields["loans"]["array"] is True
    assert fields["copies"]["children"] == [
        {"name": "barcode", "mapping": {"type": "keyword", "ignore_above": 20}, "nullable": False}
    ]
    (found,) = value["diagnostics"]
    assert (found["index"], found["field"], found["severity"]) == (
        "titles",
        "copies.barcode",
        "error",
    )
    assert (found["file"], found["line"], found["column"]) == ("titles.schema.yml", 21, 9)
    assert value["coverage"]["present"] == ["library.title"]
    assert value["coverage"]["missing"] == ["library.copy"]
    assert value["coverage"]["will_manage"] is True


def test_offline_json_has_no_diagnostics(tmp_path: Path) -> None:
    value = json.loads(json_report.to_json(report_of(tmp_path, offline=True)))
    assert value["diagnostics"] is None
    assert value["coverage"] is None
    assert value["passed"] is True


def test_no_secret_in_any_report(tmp_path: Path) -> None:
    report = report_of(tmp_path, offline=True)
    in_query = tmp_path / "query.toml"
    url = "postgresql://me@h/d?password=hidden7"
    in_query.write_text(f'[source]\ntype = "postgres"\nconnection_url = "{url}"\n')
    other = Report(load_project(in_query), "query.toml", offline=True)
    for text in (shown(other), json_report.to_json(other)):
        assert "hidden" not in text
        assert "me@h/d" in text
    env = {
        "DATABASE_URL": "postgresql://me:hidden4@h/d?password=hidden5&sslmode=require",
        "MAIN_OPENSEARCH_URL": "http://u:hidden6@h:9200",
    }
    for text in (shown(report), shown(report, env), json_report.to_json(report)):
        assert "hidden" not in text
    assert "sslmode=require" in shown(report, env)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://me@h:1/d", "postgresql://me@h:1/d"),
        ("postgresql://me:x@h:1/d", "postgresql://me:***@h:1/d"),
        ("postgresql://me:a@b:c@h/d", "postgresql://***"),
        ("https://h:9200", "https://h:9200"),
        ("http://[::1]:9200", "http://[::1]:9200"),
        (
            "postgresql://h/d?sslpassword=x&sslmode=allow",
            "postgresql://h/d?sslpassword=***&sslmode=allow",
        ),
        ("host=h password=x", "***"),
        ("postgresql://me:a/b@h/d", "postgresql://***"),
        ("http://[", "http://***"),
        ("", "***"),
        ("http://u:a:b@h", "http://u:***@h"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, masked: str) -> None:
    assert addresses.url(url) == masked
