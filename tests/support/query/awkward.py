"""A schema whose keys are names that Python, pydantic, the client or a generated module need themselves."""

from __future__ import annotations

NAMES = ("text", "root", "2024", "text_items")

SCHEMA = """
table: t
primary_key: id
fields:
  - { date: date, required: true }
  - { decimal: Decimal, required: true }
  - { json: json }
  - { enum: class, variants: [first, 'second "class"'] }
  - { integer: _hidden }
  - { boolean: f, required: true }
  - { keyword: list, array: true, required: true }
  - { keyword: str, required: true }
  - { keyword: place }
  - object: path
    fields: [{ long: any }, { uuid: inside }, { text: exists }]
  - { long: model_fields }
  - { text: Text }
  - has_many: items
    table: items
    primary_key: id
    foreign_key: t
    fields:
      - { integer: int, required: true }
      - has_many: items
        table: items
        primary_key: id
        foreign_key: t
        fields:
          - { keyword: None, required: true }
          - object: where
            fields: [{ keyword: city }]
"""
