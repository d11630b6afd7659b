"""Four data models that people have, translated: tables, rows, schemas, changes, and oracles that nest whole tables in Python."""

from __future__ import annotations

from support.models import airline, ancestry, shop, social

MODELS = (shop.MODEL, social.MODEL, ancestry.MODEL, airline.MODEL)
