"""A table with a column for each type that a document can have, with the values at the edges of their ranges."""

from __future__ import annotations

TABLES = """
CREATE TYPE mood AS ENUM ('calm', 'so "so"');
CREATE TABLE kinds (
    id bigint PRIMARY KEY, a_text text, a_code varchar(9), a_mood mood, a_uuid uuid, a_flag boolean, a_short smallint, a_long bigint,
    a_real real, a_double float8, a_number numeric, a_price numeric(12, 2), a_sum money, a_day date, a_moment timestamptz, a_time timestamp,
    an_hour time, some_bytes bytea, some_json jsonb, some_titles jsonb, some_counts jsonb, lat float8, lon float8, an_address inet,
    many_texts text[], many_numbers numeric[], many_moments timestamptz[]
);
"""
ROWS = """
INSERT INTO kinds (id) VALUES (1);
INSERT INTO kinds VALUES (
    2, 'line "one"' || chr(10) || chr(128512), 'A-1', 'so "so"', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', true, -32768, -9223372036854775808,
    1.1, 1e-300, 12345678901234567890123.456789012345678901, 1.50, 12.5, '0001-01-01', '2024-02-03 04:05:06.000001+02', '1999-12-31 23:59:59.5',
    '04:05:06.5', '\\x00ff10', '{"a": [], "b": {"c": null}, "n": 12345678901234567890.123456789}', '{"en": "One", "de": "Eins"}', '{"a": 1, "b": -5}',
    59.9139, -10.5, '10.0.0.1', '{}', '{}', '{}'
);
INSERT INTO kinds VALUES (
    9223372036854775807, '', ' ', 'calm', '00000000-0000-0000-0000-000000000000', false, 32767, 9223372036854775807,
    -3.4e38, -0.0, -0.000000000000000000000000000001, -9999999999.99, -0.01, '9999-12-31', '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999',
    '00:00:00', '', '[]', '{}', '{}', 0, 180, '::1', '{"a, b","\\"c\\""}', '{0.10,1e3}', '{"2024-01-01 00:00:00+00"}'
);
"""
SCHEMA = """
description: One row of every "kind".
table: kinds
primary_key: id
fields:
  - { long: id }
  - { text: text, column: a_text }
  - { identifier: code, column: a_code }
  - { enum: mood, column: a_mood, variants: [calm, 'so "so"'] }
  - { uuid: uuid, column: a_uuid }
  - { boolean: flag, column: a_flag }
  - { short: short, column: a_short }
  - { long: long, column: a_long }
  - { float: real, column: a_real }
  - { double: double, column: a_double }
  - { decimal: number, column: a_number }
  - { custom: price, column: a_price, postgres: [numeric], opensearch: scaled_float, options: { scaling_factor: 100 } }
  - { decimal: sum, column: a_sum }
  - { date: date, column: a_day }
  - { timestamp: moment, column: a_moment }
  - { timestamp: datetime, column: a_time }
  - { timestamp: hour, column: an_hour, options: { format: strict_hour_minute_second||strict_hour_minute_second_fraction } }
  - { binary: bytes, column: some_bytes }
  - { json: json, column: some_json }
  - { map: titles, column: some_titles, values: text }
  - { map: counts, column: some_counts, values: long }
  - { geo: place, lat: lat, lon: lon }
  - { custom: address, column: an_address, postgres: [inet], opensearch: ip }
  - { keyword: texts, column: many_texts, array: true }
  - { decimal: numbers, column: many_numbers, array: true }
  - { timestamp: moments, column: many_moments, array: true }
  - { constant: kind, value: row }
  - object: nothing
    fields: []
"""
