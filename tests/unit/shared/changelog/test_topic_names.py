"""Topics have names that Kafka takes, and no two tables share one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.changelog.topic_names import control_topic, table_part, topic_name
from flusso_shared.names import TableName

identifiers = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63)
tables = st.builds(TableName, identifiers, identifiers)


def unescaped(part: str) -> str:
    return re.sub(
        rb"-([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), part.encode()
    ).decode()


def test_a_plain_table_keeps_its_name() -> None:
    assert topic_name("flusso", TableName("public", "order_items")) == "flusso.public.order_items"
    assert control_topic("flusso") == "flusso._control"


@given(tables)
def test_the_table_can_be_read_back(table: TableName) -> None:
    schema, name = table_part(table).split(".")
    assert (unescaped(schema), unescaped(name)) == table


@given(tables, tables)
def test_kafka_takes_the_name_and_it_is_unique(one: TableName, other: TableName) -> None:
    topic = topic_name("flusso", one)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic)
    assert (topic == topic_name("flusso", other)) == (one == other)


def test_names_too_long_for_kafka_stay_apart() -> None:
    one, other = (TableName("ü" * 63, "ä" * 62 + last) for last in "ab")
    assert len(topic_name("flusso", one)) == 249
    assert topic_name("flusso", one) != topic_name("flusso", other)
