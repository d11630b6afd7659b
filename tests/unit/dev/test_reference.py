"""The reference has every key, option, variable and metric; each says since when it is there."""

from __future__ import annotations

import re

import pytest

import flusso_query
from doclib import command_reference, reference, repository, since
from flusso_cli.json_schema.config import config_schema
from flusso_cli.json_schema.index import index_schema
from flusso_cli.json_schema.keys import keys
from flusso_shared import metrics
from support.stores.dev import ROOT

PARTS = {name: make() for name, make in reference.PARTS.items()}


def test_every_key_option_and_type_says_which_version_brought_it() -> None:
    assert since.missing == [], "add these to dev/doclib/since.toml, under their version"


@pytest.mark.parametrize(
    ("part", "schema"), [("flusso-toml", config_schema()), ("schema-yml", index_schema())]
)
def test_every_key_is_on_its_page(part: str, schema: dict[str, object]) -> None:
    shown = set(re.findall(r"`([\w.<>\[\]]+)`", PARTS[part]))
    for key in keys(schema):
        assert key.path.rpartition(".")[2] in shown, key.path


def test_keys_have_their_type_default_and_example() -> None:
    text = PARTS["flusso-toml"]
    entry = text.split("{ #queue-partitions }")[1].split("###")[0]
    assert "**Type:** integer, at least 1 · **Default:** `8` · **Since:** 0.1.0" in entry
    assert "[queue]\npartitions = 16\n" in entry


def test_options_are_on_the_page_with_their_variable_and_default() -> None:
    row = re.search(r"^\| `--lock` .*$", PARTS["command-line"], re.MULTILINE)
    assert row is not None
    assert "`FLUSSO_LOCK`" in row[0]
    assert "`flusso.lock`" in row[0]
    for command in ("flusso init", "flusso quarantine retry", "flusso-capture", "flusso-worker"):
        assert f"## `{command}`" in PARTS["command-line"]


def test_variables_of_options_are_on_the_page() -> None:
    assert "`FLUSSO_QUEUE_CAPACITY` | `--queue-capacity` | `flusso run`" in PARTS["environment"]
    assert command_reference.variables() == PARTS["environment"]


def test_metrics_are_on_the_page() -> None:
    for name in (*metrics.COUNTERS, *metrics.GAUGES, *metrics.HISTOGRAMS):
        assert f"`{name}`" in PARTS["metrics"]


def test_each_part_has_a_page() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    assert sorted(re.findall(r"<!-- made from the code: ([\w-]+) -->", pages)) == sorted(PARTS)


def test_links_to_the_repository_lead_to_pages_of_the_site() -> None:
    text = "[a](../shared/flusso_shared/seams.py) [b](schema.md#fields) [c](../dev/)"
    assert list(repository.linked({"x.md": text})) == ["dev", "shared/flusso_shared/seams.py"]
    assert repository.with_links(text, "x.md") == (
        "[a](repository/shared/flusso_shared/seams.py.md) [b](schema.md#fields) [c](repository/dev.md)"
    )
    below = "[a](../../bench/README.md) [b](../schema.md)"
    assert repository.with_links(below, "how-to/size.md") == (
        "[a](../repository/bench/README.md.md) [b](../schema.md)"
    )
    assert "class Sink" in repository.page("shared/flusso_shared/seams.py")
    assert "* `checks.py`" in repository.page("dev/stacklib")


def test_every_public_name_of_the_query_client_is_on_the_page() -> None:
    shown = re.findall(r"^### `(\w+)`$", PARTS["client"], re.MULTILINE)
    assert set(flusso_query.__all__) <= set(shown)
    assert "IndexMissingError" in shown
    assert "* `Client(opensearch, *, prefix='', inner_window=100)`: `prefix` is" in PARTS["client"]
    assert "* `mget(type_, ids)`: The documents with these ids, in order" in PARTS["client"]
