"""Models against a schema: each thing that does not fit is told, and what fits is accepted."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest
from pydantic import Base64Bytes, BeforeValidator, Field, PositiveInt, SecretStr

from flusso_query import Document, Fragment, Point, Unchecked, source_includes
from flusso_query.errors import SchemaMismatchError
from flusso_query.schema import lock
from flusso_query.schema.check import problems
from flusso_query.schema.shape import IndexShape, index_shape
from flusso_shared.plan.codec import plan_to_json
from support.documents import plan_of

SCHEMA = """
table: users
primary_key: id
fields:
  - { integer: id }
  - { keyword: email, required: true }
  - { text: name }
  - { uuid: token, required: true }
  - { enum: tier, required: true, variants: [free, gold] }
  - { decimal: credit, required: true }
  - { date: born }
  - { timestamp: seen }
  - { binary: photo }
  - { json: extra }
  - { map: title, values: text, required: true }
  - { geo: home, lat: y, lon: x }
  - { keyword: tags, array: true, required: true }
  - object: account
    fields: [{ keyword: country }, { boolean: open, required: true }]
  - has_many: orders
    table: orders
    primary_key: id
    foreign_key: user_id
    fields: [{ decimal: total, required: true }]
  - belongs_to: boss
    column: boss_id
    table: users
    primary_key: id
    fields: [{ text: name }]
"""


class Tier(enum.StrEnum):
    FREE = "free"
    GOLD = "gold"


class Order(Fragment):
    total: Decimal


class Account(Fragment):
    country: str | None


class Boss(Fragment):
    name: str | None


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, IndexShape]:
    plan = plan_of(tmp_path_factory.mktemp("schema"), SCHEMA, "users")
    return {"users": index_shape(plan_to_json(plan))}


def found(model: type[Document], indexes: dict[str, IndexShape]) -> list[str]:
    return problems(model, model.__binding__, indexes)


def test_projections_that_fit(indexes: dict[str, IndexShape]) -> None:
    Name = NewType("Name", str)

    class Card(Document, index="users"):
        id: PositiveInt
        mail: SecretStr = Field(alias="email")
        name: Name | None
        token: UUID
        tier: Tier
        credit: Decimal
        born: date | None
        seen: datetime | None
        photo: Base64Bytes | None
        extra: Any
        title: dict[str, str]
        home: Point | None
        tags: Sequence[str]
        account: Account
        orders: list[Order]
        boss: Boss | None

    class Short(Document, index="users"):
        token: str
        credit: float
        tier: Literal["free", "gold"]
        born: str | None
        account: dict[str, Any]
        name: Annotated[str | None, BeforeValidator(str)]
        orders: Annotated[object, Unchecked]

    assert found(Card, indexes) == []
    assert found(Short, indexes) == []
    assert source_includes(Card)[:4] == ["account.country", "born", "boss.name", "credit"]


def test_everything_that_does_not_fit_is_told_at_once(indexes: dict[str, IndexShape]) -> None:
    class BadOrder(Fragment):
        total: str
        totl: Decimal

    class BadBoss(Fragment):
        name: str

    class Card(Document, index="users"):
        id: int | None
        emial: str
        name: str
        tier: Literal["free", "silver"]
        credit: int
        born: datetime | None
        photo: bytes | None
        title: dict[str, int]
        tags: str
        orders: list[BadOrder]
        account: Account | None
        boss: BadBoss | None

    keys = (
        "`account`, `born`, `boss`, `credit`, `email`, `extra`, `home`, `id`, `name`, `orders`, `photo`, `seen`, `tags`,"
        " `tier`, `title`, `token`"
    )
    at = "(index `users`)"
    assert found(Card, indexes) == [
        f"Card.id: it is never null: leave `| None` out {at}",
        f"Card.emial: there is no key `emial` (did you mean `email`?); the keys are {keys} {at}",
        f"Card.name: it may be null: write `| None` {at}",
        f"Card.tier: the schema does not have `silver`; it has `free`, `gold` {at}",
        f"Card.tier: documents may also have `gold` {at}",
        f"Card.credit: the schema has `Decimal`, not `int` {at}",
        f"Card.born: the schema has `date | None`, not `datetime` {at}",
        f"Card.photo: the schema has `Base64Bytes | None`, not `bytes` {at}",
        f"Card.title: the schema has `dict[str, str]`, not `dict[str, int]` {at}",
        f"Card.tags: the schema has `list[str]`, not `str` {at}",
        "BadOrder.total: the schema has `Decimal`, not `str` (`orders` in index `users`)",
        "BadOrder.totl: there is no key `totl` (did you mean `total`?); the keys are `total` (`orders` in index `users`)",
        f"Card.account: it is never null: leave `| None` out {at}",
        "BadBoss.name: it may be null: write `| None` (`boss` in index `users`)",
    ]


def test_an_index_that_is_not_there(indexes: dict[str, IndexShape]) -> None:
    class Card(Document, index="user"):
        id: int

    assert found(Card, indexes) == [
        "Card: there is no index `user` (did you mean `users`?); there are `users`"
    ]


def test_a_complete_model_lacks_nothing_and_has_the_hash(indexes: dict[str, IndexShape]) -> None:
    class Whole(Document, index="users", hash="00000000", complete=True):
        id: int

    said = found(Whole, indexes)
    assert said[0] == (
        f"Whole: made for schema 00000000 of index `users`, which is now {indexes['users'].hash}"
    )
    assert "Whole.email: the schema has it (`str`), and the model has not (index `users`)" in said
    assert len(said) == 16


def test_a_projection_may_take_the_binding_of_a_generated_model() -> None:
    class Whole(Document, index="users", hash="1a2b3c4d", complete=True):
        id: int

    class Card(Document, index=Whole):
        id: int

    assert Card.__binding__.alias("x_") == "x_users_1a2b3c4d"
    assert not Card.__binding__.complete


def write_lock(folder: Path) -> Path:
    plan = plan_to_json(plan_of(folder, SCHEMA, "users"))
    path = folder / "flusso.lock"
    path.write_text(json.dumps({"format_version": 1, "indexes": [plan]}))
    return path


def test_where_a_lock_is_found_a_wrong_projection_cannot_be_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lock(tmp_path)
    monkeypatch.setenv("FLUSSO_MODELS_CHECK", "")
    monkeypatch.setenv("FLUSSO_LOCK", str(path))
    with pytest.raises(SchemaMismatchError) as caught:

        class Card(Document, index="users"):
            name: str
            born: int | None

    assert len(caught.value.problems) == 2
    assert f"The schema is that of {path}; `flusso build` compiles it again." in (
        caught.value.__notes__
    )
    monkeypatch.setenv("FLUSSO_MODELS_CHECK", "off")

    class Other(Document, index="users"):
        name: str


def test_the_lock_is_found_above_the_module(tmp_path: Path) -> None:
    path = write_lock(tmp_path)
    inner = tmp_path / "shop" / "pages"
    inner.mkdir(parents=True)
    assert lock.find(inner) == path
    assert lock.read(path)["users"].fields[0].key == "id"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it is not there"),
        ("{", "it is damaged"),
        ('{"format_version": 2}', "it is of another version of flusso"),
        ('{"format_version": 1, "indexes": [{}]}', "it is damaged"),
    ],
)
def test_a_lock_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "flusso.lock"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SchemaMismatchError, match=reason) as caught:
        lock.read(path)
    assert str(path) in str(caught.value)
    assert "flusso build" in str(caught.value)
