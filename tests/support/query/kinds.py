"""Handles, models and documents of `kinds.schema.yml`: one field of each kind."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from flusso_query import (
    Binary,
    Bool,
    Date,
    DateMap,
    Document,
    Enum,
    Fields,
    Fragment,
    Geo,
    Json,
    Keyword,
    KeywordMap,
    Nested,
    Number,
    NumberMap,
    Object,
    Place,
    Root,
    Text,
    TextMap,
    Vector,
)
from flusso_shared.plan.model import IndexPlan
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema

_SCHEMA = Path(__file__).parent / "kinds.schema.yml"
State = Literal["new", "open", "done"]

_KINDS = Place("kinds")
_PARTS = Place("kinds", "parts")
_SITES = Place("kinds", "parts", "parts.maker.sites")
_BITS = Place("kinds", "parts", "parts.bits")


def plan(name: str = "kinds") -> IndexPlan:
    """The compiled schema."""
    return compile_index(name, load_schema(_SCHEMA, name), _SCHEMA.name)


class KindsSizeFields(Object[Root]):
    width: Number[Root, int] = Number(_KINDS, "size.width", "integer")
    unit: Keyword[Root, str] = Keyword(_KINDS, "size.unit", subfields=True)


class KindsPartsBitsFields(Nested["KindsPartsFields", "KindsPartsBitsFields"]):
    color: Keyword[KindsPartsBitsFields, str] = Keyword(_BITS, "parts.bits.color", subfields=True)
    weight: Number[KindsPartsBitsFields, int] = Number(_BITS, "parts.bits.weight", "integer")


class KindsPartsMakerSitesFields(Nested["KindsPartsFields", "KindsPartsMakerSitesFields"]):
    town: Keyword[KindsPartsMakerSitesFields, str] = Keyword(_SITES, "parts.maker.sites.town")


class KindsPartsMakerFields(Object["KindsPartsFields"]):
    name: Keyword[KindsPartsFields, str] = Keyword(_PARTS, "parts.maker.name")
    sites: KindsPartsMakerSitesFields = KindsPartsMakerSitesFields(
        _PARTS, "parts.maker.sites", _SITES
    )


class KindsPartsFields(Nested[Root, "KindsPartsFields"]):
    kind: Keyword[KindsPartsFields, str] = Keyword(_PARTS, "parts.kind", subfields=True)
    count: Number[KindsPartsFields, int] = Number(_PARTS, "parts.count", "integer")
    note: Text[KindsPartsFields] = Text(_PARTS, "parts.note", subfields=True)
    due: Date[KindsPartsFields, date] = Date(_PARTS, "parts.due")
    maker: KindsPartsMakerFields = KindsPartsMakerFields(_PARTS, "parts.maker")
    bits: KindsPartsBitsFields = KindsPartsBitsFields(_PARTS, "parts.bits", _BITS)


class KindsFields(Fields):
    id: Number[Root, int] = Number(_KINDS, "id", "integer")
    title: Text[Root] = Text(_KINDS, "title", subfields=True)
    code: Keyword[Root, str] = Keyword(_KINDS, "code", subfields=True)
    state: Enum[Root, State] = Enum(_KINDS, "state", subfields=True)
    token: Keyword[Root, UUID] = Keyword(_KINDS, "token", UUID, subfields=True)
    active: Bool[Root] = Bool(_KINDS, "active")
    small: Number[Root, int] = Number(_KINDS, "small", "short")
    medium: Number[Root, int] = Number(_KINDS, "medium", "integer")
    large: Number[Root, int] = Number(_KINDS, "large", "long")
    ratio: Number[Root, float] = Number(_KINDS, "ratio", "float")
    price: Number[Root, Decimal] = Number(_KINDS, "price", "double")
    day: Date[Root, date] = Date(_KINDS, "day")
    at: Date[Root, datetime] = Date(_KINDS, "at")
    blob: Binary[Root] = Binary(_KINDS, "blob")
    extra: Json[Root] = Json(_KINDS, "extra")
    names: TextMap[Root] = TextMap(_KINDS, "names")
    labels: KeywordMap[Root] = KeywordMap(_KINDS, "labels")
    amounts: NumberMap[Root, float] = NumberMap(_KINDS, "amounts", "double")
    moments: DateMap[Root] = DateMap(_KINDS, "moments")
    spot: Geo[Root] = Geo(_KINDS, "spot")
    address: Keyword[Root, str] = Keyword(_KINDS, "address")
    scaled: Number[Root, Decimal] = Number(_KINDS, "scaled", "scaled_float")
    span: Number[Root, int] = Number(_KINDS, "span", "integer_range")
    period: Date[Root, date] = Date(_KINDS, "period")
    rank: Json[Root] = Json(_KINDS, "rank")
    area: Geo[Root] = Geo(_KINDS, "area")
    size: KindsSizeFields = KindsSizeFields(_KINDS, "size")
    parts: KindsPartsFields = KindsPartsFields(_KINDS, "parts", _PARTS)
    vector: Vector[Root] = Vector(_KINDS, "vector")
    """The index has no such field: it needs a plugin."""


class KindsSize(Fragment):
    width: int
    unit: str | None


class KindsPartsBits(Fragment):
    color: str
    weight: int


class KindsPartsMakerSites(Fragment):
    town: str


class KindsPartsMaker(Fragment):
    name: str
    sites: list[KindsPartsMakerSites]


class KindsParts(Fragment):
    kind: str
    count: int
    note: str | None
    due: date | None
    maker: KindsPartsMaker
    bits: list[KindsPartsBits]


class Kinds(Document, index="kinds", hash=plan().hash, complete=True):
    f: ClassVar[KindsFields] = KindsFields(_KINDS)

    id: int
    title: str | None
    code: str
    state: State
    token: UUID
    active: bool
    small: int
    medium: int | None
    large: int
    ratio: float
    price: Decimal
    day: date | None
    at: datetime
    blob: str | None
    extra: Any
    names: dict[str, str] | None
    labels: dict[str, str] | None
    amounts: dict[str, float] | None
    moments: dict[str, datetime] | None
    spot: dict[str, float] | None
    address: str | None
    scaled: Decimal | None
    span: dict[str, int] | None
    period: dict[str, str] | None
    rank: int | None
    area: dict[str, Any] | None
    size: KindsSize
    parts: list[KindsParts]


class KindCard(Document, index="kinds", hash=plan().hash):
    """What one page needs."""

    code: str
    heading: str | None = Field(alias="title")
    size: KindsSize


class Others(Document, index="others", hash=plan("others").hash, complete=True):
    """Of an index with the same fields."""

    id: int
    code: str


def documents(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Documents as a worker writes them; the same ones each time."""
    chance = random.Random(seed)
    for number in range(1, count + 1):
        yield _document(number, chance)


_WORDS = ("red", "blue", "tide", "stone", "lamp", "river")
_COLORS = ("red", "green", "blue")


def _document(number: int, chance: random.Random) -> dict[str, Any]:
    def perhaps(value: Any) -> Any:
        return value if chance.random() < 0.75 else None

    def words() -> str:
        return " ".join(chance.choice(_WORDS) for _ in range(chance.randint(1, 4)))

    width = chance.randint(1, 9)
    low = chance.randint(0, 50)
    return {
        "id": number,
        "title": perhaps(words().title()),
        "code": f"{chance.choice('AbC')}-{number:03}",
        "state": chance.choice(("new", "open", "done")),
        "token": str(UUID(int=number * 7919)),
        "active": chance.random() < 0.5,
        "small": chance.randint(-5, 5),
        "medium": perhaps(chance.randint(-100_000, 100_000)),
        "large": (1 << 53) + number,
        "ratio": number / 4,
        "price": number + 0.25,
        "day": perhaps(f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"),
        "at": f"2024-03-{1 + number % 28:02}T04:05:06.{number:03}+00:00",
        "blob": perhaps(base64.b64encode(bytes([number % 256])).decode()),
        "extra": {"any": [number, {"deep": True}]},
        "names": perhaps(
            {"de": words(), "en": words()} if number % 3 else {"en": words(), "fr": words()}
        ),
        "labels": perhaps({"size": chance.choice(("s", "m", "l"))}),
        "amounts": perhaps(
            {"eur": number + 0.5, "usd": number * 1.5} if number % 2 else {"usd": 3.5}
        ),
        "moments": perhaps({"made": f"2024-05-{1 + number % 28:02}T00:00:00.000+00:00"}),
        "spot": perhaps(
            {"lat": (number * 7 % 120) - 60 + 0.5, "lon": (number * 31 % 300) - 150 + 0.5}
        ),
        "address": perhaps(f"10.0.0.{number % 250}"),
        "scaled": perhaps(number + 0.5),
        "span": perhaps({"gte": low, "lte": low + chance.randint(0, 20)}),
        "period": perhaps({"gte": "2024-01-05", "lte": f"2024-02-{1 + number % 28:02}"}),
        "rank": perhaps(number),
        "area": perhaps({"type": "Point", "coordinates": [float(number % 90), float(number % 45)]}),
        "size": {"width": width, "unit": perhaps(chance.choice(("cm", "in")))},
        "parts": [_part(chance, words) for _ in range(chance.randint(0, 4))],
    }


def _part(chance: random.Random, words: Any) -> dict[str, Any]:
    return {
        "kind": chance.choice(("bolt", "nut", "gear")),
        "count": chance.randint(1, 9),
        "note": words() if chance.random() < 0.7 else None,
        "due": f"2024-06-{chance.randint(1, 28):02}" if chance.random() < 0.7 else None,
        "maker": {
            "name": chance.choice(("acme", "duo")),
            "sites": [
                {"town": chance.choice(("rome", "oslo"))} for _ in range(chance.randint(0, 2))
            ],
        },
        "bits": [
            {"color": chance.choice(_COLORS), "weight": chance.randint(1, 9)}
            for _ in range(chance.randint(0, 3))
        ],
    }
