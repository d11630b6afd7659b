"""Documents that were read are the instances that pydantic makes, whether it or the package has made them."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    computed_field,
    field_validator,
    model_validator,
)

from flusso_query import Document, Fragment
from flusso_query.search import instances
from support.query.kinds import KindCard, Kinds, documents

Json = dict[str, Any]


class Bolt(Fragment):
    width: int
    note: str | None


class Plain(Document, index="plain", complete=True):
    name: Annotated[str, Field(min_length=1, description="What it is called.")]
    code: str = Field(alias="class")
    first: str = Field(validation_alias=AliasPath("rest", "code"))
    other: int = Field(validation_alias=AliasChoices("n", "m"))
    bolts: list[Bolt]
    best: Bolt | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        return len(self.bolts)


class Tree(Document, index="trees", complete=True):
    name: str
    twins: tuple[Bolt, Bolt]
    inside: list[Tree]


class Defaults(Fragment):
    width: int = 3


class Open(Fragment):
    model_config = ConfigDict(extra="allow")
    width: int


class Checked(Fragment):
    width: int

    @field_validator("width")
    @classmethod
    def doubled(cls, value: int) -> int:
        return 2 * value


class After(Fragment):
    width: int

    @model_validator(mode="after")
    def more(self) -> After:
        self.width += 1
        return self


class Before(Fragment):
    width: int

    @model_validator(mode="before")
    @classmethod
    def other(cls, value: Any) -> Any:
        return {"width": 7} if value == {"width": 1} else value


class Private(Fragment):
    width: int
    _seen: list[int] = PrivateAttr(default_factory=list)


class Made(Fragment):
    width: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**{**values, "width": 9})


class New(Fragment):
    width: int

    def __new__(cls, *_: Any, **__: Any) -> New:
        made = super().__new__(cls)
        object.__setattr__(made, "__dict__", {"marked": True})
        return made


class Frozen(Fragment):
    model_config = ConfigDict(frozen=True)
    width: int


class Exact(Fragment):
    model_config = ConfigDict(strict=True)
    width: int


class Early(Document, index="early", complete=True):
    part: Later


class Later(Fragment):
    width: int


class Foreign(BaseModel):
    width: int


class Odd(Document, index="odd", complete=True):
    """With parts that are left to pydantic."""

    defaults: Defaults
    open: Open
    checked: Checked
    after: After
    before: Before
    private: Private
    made: Made
    new: New
    frozen: Frozen
    exact: Exact
    foreign: Foreign
    plain: Bolt


PLAIN = {
    "name": "a",
    "class": "b",
    "rest": {"code": "c"},
    "m": 3,
    "bolts": [{"width": 1, "note": None}, {"width": 2, "note": "x"}],
    "best": {"width": 3, "note": None},
    "more": [1],
}
BOLT = {"width": 1, "note": "y"}
TREE = {
    "name": "a",
    "twins": [BOLT, BOLT],
    "inside": [{"name": "b", "twins": [BOLT, BOLT], "inside": []}],
}
ODD: Json = {name: {"width": 1, "more": 2} for name in Odd.model_fields if name != "plain"}
ODD["plain"] = BOLT
EXAMPLES: list[tuple[type[Document], Json]] = [
    *((Kinds, document) for document in documents(40)),
    *((KindCard, document) for document in documents(10)),
    (Plain, PLAIN),
    (Tree, TREE),
    (Odd, ODD),
]


@pytest.mark.parametrize(("model", "document"), EXAMPLES)
def test_a_document_is_what_pydantic_makes_of_it(model: type[Document], document: Json) -> None:
    assert_same(instances.read(model, document), model.model_validate(document))


@given(st.sampled_from(EXAMPLES), st.integers(0, 2**32))
def test_a_damaged_document_is_what_pydantic_makes_of_it(
    example: tuple[type[Document], Json], seed: int
) -> None:
    model, document = example
    damaged = _damaged(document, random.Random(seed))
    expected = _outcome(lambda: model.model_validate(damaged))
    assert_same(_outcome(lambda: instances.read(model, damaged)), expected)


def test_all_but_the_set_of_fields_belongs_to_one_instance() -> None:
    one, other = (instances.read(Plain, PLAIN) for _ in range(2))
    one.name, one.bolts[0].width = "changed", 8
    one.best = None
    assert other == Plain.model_validate(PLAIN)
    assert one.model_fields_set == other.model_fields_set == set(Plain.model_fields)


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.discard("name"),
        lambda fields: fields.remove("name"),
        lambda fields: fields.clear(),
        lambda fields: fields.pop(),
        lambda fields: fields.add("unknown"),
        lambda fields: fields.update({"unknown"}),
        lambda fields: fields.__isub__({"name"}),
    ],
)
def test_the_set_of_fields_of_all_is_not_changed(change: Callable[[set[str]], Any]) -> None:
    with pytest.raises(TypeError, match=r"share this set of fields.*model_copy"):
        change(instances.read(Plain, PLAIN).model_fields_set)


@pytest.mark.parametrize(
    "copied",
    [
        lambda document: document.model_copy(),
        lambda document: document.model_copy(deep=True),
        lambda document: document.model_copy(update={"name": "z"}),
        copy.copy,
        copy.deepcopy,
        lambda document: pickle.loads(pickle.dumps(document)),
    ],
)
def test_a_copy_has_a_set_of_its_own(copied: Callable[[Any], Any]) -> None:
    document = instances.read(Plain, PLAIN)
    other = copied(document)
    assert_same(other, copied(Plain.model_validate(PLAIN)))
    other.model_fields_set.discard("name")
    assert "name" not in other.model_dump(exclude_unset=True)
    assert "name" in document.model_dump(exclude_unset=True)


def test_a_model_that_is_rebuilt_is_read_as_it_is_then() -> None:
    class Late(Document, index="late", complete=True):
        width: int

    assert instances.read(Late, {"width": "1"}).width == 1
    Late.model_fields["width"].annotation = str
    Late.model_rebuild(force=True)
    assert instances.read(Late, {"width": "1"}).width == "1"  # type: ignore[comparison-overlap]


def test_a_model_is_read_as_soon_as_it_is_complete() -> None:
    assert instances.read(Early, {"part": {"width": 1}}).part.width == 1
    with pytest.raises(TypeError, match="share this set of fields"):
        instances.read(Early, {"part": {"width": 1}}).part.model_fields_set.clear()


def test_a_model_that_inherits_has_a_reader_of_its_own() -> None:
    class More(Plain, index=Plain):
        extra: int

    assert not isinstance(instances.read(Plain, PLAIN), More)
    assert instances.read(More, {**PLAIN, "extra": 5}).extra == 5


def test_instances_of_an_unknown_build_are_left_to_pydantic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Newer(Document, index="newer", complete=True):
        width: int

    monkeypatch.setattr(BaseModel, "__slots__", (*BaseModel.__slots__, "__pydantic_more__"))
    document = instances.read(Newer, {"width": 1})
    document.model_fields_set.clear()
    assert document == Newer(width=1)


def test_a_model_whose_validator_is_a_plugins_is_read_by_that() -> None:
    class Watched(Document, index="watched", complete=True):
        width: int

    class Validator:
        """As pydantic wraps one when there is a plugin."""

        def __init__(self, real: Any) -> None:
            self.real, self.seen = real, list[Any]()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def validate_python(self, value: Any, **options: Any) -> Any:
            self.seen.append(value)
            return self.real.validate_python(value, **options)

    watching = Validator(Watched.__pydantic_validator__)
    Watched.__pydantic_validator__ = watching  # type: ignore[assignment]
    assert instances.read(Watched, {"width": 4}).width == 4
    assert watching.seen == [{"width": 4}]


def assert_same(made: Any, expected: Any) -> None:
    """The same value, in the same class, which behaves the same; or the same error."""
    assert type(made) is type(expected)
    if not isinstance(expected, BaseModel):
        assert made == expected
        return
    assert made == expected
    assert repr(made) == repr(expected)
    for one, other in zip(_inside(made), _inside(expected), strict=True):
        assert vars(one) == vars(other)
        assert one.model_fields_set == other.model_fields_set
        assert one.model_extra == other.model_extra
        assert one.__pydantic_private__ == other.__pydantic_private__
    assert made.model_dump() == expected.model_dump()
    assert made.model_dump_json(by_alias=True) == expected.model_dump_json(by_alias=True)
    for unset, defaults in ((True, False), (False, True)):
        assert made.model_dump(
            exclude_unset=unset, exclude_defaults=defaults
        ) == expected.model_dump(exclude_unset=unset, exclude_defaults=defaults)


def _inside(value: Any) -> Iterator[BaseModel]:
    """All models of a value."""
    if isinstance(value, BaseModel):
        yield value
        value = list(vars(value).values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _inside(item)


def _outcome(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ValidationError as error:
        return error.json(include_url=False)


def _damaged(document: Any, chance: random.Random) -> Any:
    """A document in which something, anywhere, is missing or is something else."""
    damaged = json.loads(json.dumps(document))
    place = damaged
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.8:
            place = place[key]
            continue
        if chance.random() < 0.4:
            del place[key]
        else:
            place[key] = chance.choice([None, "", "x", 0, -1, 1.5, True, [], {}, [{}], "1", "2024"])
        return damaged
