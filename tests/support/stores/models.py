"""The data models of the schema reference and of other systems: tables, rows, schemas, changes, and oracles that nest whole tables in Python."""

from __future__ import annotations

from support.stores import (
    airline,
    ancestry,
    library,
    shop,
    social,
)

MODELS = (library.MODEL, shop.MODEL, social.MODEL, ancestry.MODEL, airline.MODEL)
