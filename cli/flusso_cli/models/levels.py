"""One level of a document as two classes: the namespace of its field handles, and its model.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flusso_cli.models import layout
from flusso_cli.models.handles import handle
from flusso_cli.models.names import Names, attributes, camel
from flusso_query.document import Document, Fragment
from flusso_query.fields.levels import Fields, Nested, Object
from flusso_query.schema.shape import IndexShape, Shape
from flusso_query.schema.value_types import Value

QUERY = "flusso_query"
_MODULES: dict[Value, str] = {
    "UUID": "uuid",
    "Decimal": "decimal",
    "date": "datetime",
    "datetime": "datetime",
    "time": "datetime",
    "Point": QUERY,
    "Any": "typing",
}
_OF_HANDLES = ("place", "path", "inside")
"""Attributes that each handle has by itself."""
_NAMESPACE = "f"
"""The attribute of a document that holds its handles."""
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Level:
    """A document, an object or a nested array, with the names of what is made for it."""

    shape: Shape | None
    """None for the document."""
    fields: tuple[Shape, ...]
    place: str
    """The constant of the fields' place."""
    outside: str
    """The constant of its own place."""
    above: str
    """The scope that it stands in."""
    scope: str
    """The scope of its fields."""
    model: str
    namespace: str
    children: dict[str, Level]
    """Objects and arrays by key."""
    labels: dict[str, str]
    """Key of a field with labels -> name of their type."""

    @property
    def nested(self) -> bool:
        """Whether its elements are documents of their own in OpenSearch."""
        return self.shape is not None and self.shape.mapping == "nested"

    def walk(self) -> Iterator[Level]:
        """What is inside first, so that each is defined where it is used."""
        for child in self.children.values():
            yield from child.walk()
        yield self


def attribute_names(fields: Sequence[Shape]) -> Iterator[str]:
    """Every attribute that classes over these fields will have."""
    keys = [field.key for field in fields]
    yield from _namespace_attributes(keys, Nested).values()
    yield from _model_attributes(keys, root=True).values()
    for field in fields:
        yield from attribute_names(field.fields)


def document_level(index: IndexShape, names: Names) -> Level:
    """The whole document, with new names for everything that is made for it."""
    name = camel(index.name)
    model = names.new(name if name[:1].isalpha() else f"Index{name}")
    place = names.new(f"_{_constant(index.name)}")
    root = names.imported(QUERY, "Root")
    namespace = names.new(f"{model}Fields")
    children, labels = _inner(index.fields, names, (model, place, root))
    return Level(None, index.fields, place, place, root, root, model, namespace, children, labels)


def _inner(
    fields: Sequence[Shape], names: Names, above: tuple[str, str, str]
) -> tuple[dict[str, Level], dict[str, str]]:
    """The levels in a level, and the types of its labels."""
    model, place, scope = above
    levels: dict[str, Level] = {}
    labels: dict[str, str] = {}
    for shape in fields:
        wish = f"{model}{camel(shape.key)}"
        if shape.kind == "object":
            levels[shape.key] = _level(shape, names, wish, (place, scope))
        elif shape.variants:
            labels[shape.key] = names.new(wish)
    return levels, labels


def _level(shape: Shape, names: Names, wish: str, above: tuple[str, str]) -> Level:
    outside, scope = above
    model, place, inside = names.new(wish), outside, scope
    namespace = names.new(f"{model}Fields")
    if shape.mapping == "nested":
        place = names.new(f"{outside}_{_constant(shape.key)}")
        inside = names.new(f"{model}Scope")
    children, labels = _inner(shape.fields, names, (model, place, inside))
    return Level(
        shape, shape.fields, place, outside, scope, inside, model, namespace, children, labels
    )


def label_types(level: Level, names: Names) -> list[str]:
    """The types of the fields with labels."""
    function = names.imported("typing", "Literal") if level.labels else ""
    variants = {shape.key: shape.variants for shape in level.fields}
    lines: list[str] = []
    for key, name in level.labels.items():
        lines += layout.literal(name, function, variants[key])
    return lines


def scope(level: Level) -> list[str]:
    """The class that stands for the elements of a nested array."""
    if level.shape is None or not level.nested:
        return []
    about = f"One element of `{level.shape.path}`, which conditions on its fields are about."
    return [f"class {level.scope}:", *layout.docstring(about)]


# --- handles ------------------------------------------------------------------------------------


def namespace(level: Level, names: Names, *, auto_subfields: bool) -> list[str]:
    """The class of the level's field handles."""
    base: type = Fields
    bases, about = names.imported(QUERY, "Fields"), f"Fields of a document of `{level.model}`."
    if level.shape is not None and level.nested:
        base, bases = Nested, f"{names.imported(QUERY, 'Nested')}[{level.above}, {level.scope}]"
        about = f"Fields of one element of `{level.shape.path}`."
    elif level.shape is not None:
        base, bases = Object, f"{names.imported(QUERY, 'Object')}[{level.scope}]"
        about = f"Fields of `{level.shape.path}`."
    lines = [f"class {level.namespace}({bases}):", *layout.docstring(about), ""]
    found = _namespace_attributes([shape.key for shape in level.fields], base)
    for shape in level.fields:
        name = found[shape.key]
        if shape.kind == "object":
            lines += _child(name, level.children[shape.key])
        else:
            lines += _handle(name, shape, level, names, auto_subfields=auto_subfields)
        if shape.description:
            lines += layout.docstring(shape.description)
    return lines if level.fields else lines[:-1]


def _child(name: str, child: Level) -> list[str]:
    assert child.shape is not None
    arguments = [child.outside, layout.quoted(child.shape.path)]
    arguments += [child.place] if child.nested else []
    return layout.call(f"{name}: {child.namespace}", child.namespace, arguments, _INDENT)


def _handle(
    name: str, shape: Shape, level: Level, names: Names, *, auto_subfields: bool
) -> list[str]:
    made = handle(shape, auto_subfields=auto_subfields)
    function = names.imported(QUERY, made.name)
    parameters = [level.scope]
    if made.value == "Any":
        parameters.append(level.labels[shape.key])
    elif made.value is not None:
        parameters.append(value_type(made.value, names))
    arguments = [level.place, layout.quoted(shape.path)]
    if made.mapping:
        arguments.append(layout.quoted(made.mapping))
    if made.read == "UUID":
        arguments.append(value_type("UUID", names))
    if made.subfields:
        arguments.append("subfields=True")
    return layout.call(f"{name}: {function}[{', '.join(parameters)}]", function, arguments, _INDENT)


# --- models -------------------------------------------------------------------------------------


def model(level: Level, index: IndexShape, names: Names) -> list[str]:
    """The class of the level's values."""
    root = level.shape is None
    if level.shape is None:
        about = index.description or f"A document of `{index.name}`."
        base = names.imported(QUERY, "Document")
        bound = f'{base}, index="{index.name}", hash="{index.hash}", complete=True'
        lines = [f"class {level.model}({bound}):", *layout.docstring(about), ""]
        variable = names.imported("typing", "ClassVar")
        lines += [
            *layout.call(
                f"{_NAMESPACE}: {variable}[{level.namespace}]",
                level.namespace,
                [level.place],
                _INDENT,
            ),
            "",
        ]
    else:
        element = f"One element of `{level.shape.path}`." if level.shape.many else ""
        about = level.shape.description or element or f"`{level.shape.path}`."
        base = names.imported(QUERY, "Fragment")
        lines = [f"class {level.model}({base}):", *layout.docstring(about), ""]
    found = _model_attributes([shape.key for shape in level.fields], root=root)
    for shape in level.fields:
        lines += _attribute(found[shape.key], shape, level, names)
        if shape.description:
            lines += layout.docstring(shape.description)
    return lines if level.fields or root else lines[:-1]


def _attribute(name: str, shape: Shape, level: Level, names: Names) -> list[str]:
    type_ = _type(shape, level, names)
    if name == shape.key:
        return [f"{_INDENT}{name}: {type_}"]
    function = names.imported("pydantic", "Field")
    return layout.call(f"{name}: {type_}", function, [f"alias={layout.quoted(shape.key)}"], _INDENT)


def _type(shape: Shape, level: Level, names: Names) -> str:
    if shape.kind == "object":
        one = level.children[shape.key].model
    elif shape.variants:
        one = level.labels[shape.key]
    else:
        one = value_type(shape.value, names)
    if shape.kind == "map":
        text = value_type("str", names)
        one = f"{names.imported('builtins', 'dict')}[{text}, {one}]"
    if shape.many:
        one = f"{names.imported('builtins', 'list')}[{one}]"
    unknown = shape.kind == "value" and shape.value == "Any" and not shape.many
    return f"{one} | None" if shape.nullable and not unknown else one


def value_type(value: Value, names: Names) -> str:
    """The name of a type of values here, imported where it needs to be."""
    if value == "bytes":
        return names.imported("pydantic", "Base64Bytes")
    return names.imported(_MODULES.get(value, "builtins"), value)


# --- names --------------------------------------------------------------------------------------


def _namespace_attributes(keys: Sequence[str], base: type) -> dict[str, str]:
    return attributes(keys, _OF_HANDLES, base)


def _model_attributes(keys: Sequence[str], *, root: bool) -> dict[str, str]:
    return attributes(keys, (_NAMESPACE,) if root else (), Document if root else Fragment)


def _constant(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name).upper()
