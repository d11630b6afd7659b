"""Typed queries on the OpenSearch indexes that flusso-kafka maintains.

In reading order:

* `document`, `binding`, `point`: models, the index that each reads, and a type of their values.
* `schema`: what the schema says of documents, and whether a model fits it.
* `exact_json`: numbers with all their digits.
* `scope`, `query`: conditions, and which go together.
* `fields`: handles of fields, which make conditions.
* `sorting`: orders.
* `errors`: what can go wrong.
"""

from flusso_query.binding import Binding
from flusso_query.document import Document, Fragment, source_includes
from flusso_query.exact_json import ExactSerializer
from flusso_query.fields.geo import Distance, Geo, Vector
from flusso_query.fields.levels import Fields, Nested, Object, Projection
from flusso_query.fields.maps import DateMap, KeywordMap, NumberMap, TextMap
from flusso_query.fields.ordered import Binary, Bool, Date, Json, Number
from flusso_query.fields.text import Enum, Keyword, Text
from flusso_query.point import Point
from flusso_query.query import Query, and_, match_all, match_none, not_, or_, raw, when
from flusso_query.schema.annotations import Unchecked
from flusso_query.scope import Place, Root
from flusso_query.sorting import Sort, by_score, by_script

__all__ = [
    "Binary",
    "Binding",
    "Bool",
    "Date",
    "DateMap",
    "Distance",
    "Document",
    "Enum",
    "ExactSerializer",
    "Fields",
    "Fragment",
    "Geo",
    "Json",
    "Keyword",
    "KeywordMap",
    "Nested",
    "Number",
    "NumberMap",
    "Object",
    "Place",
    "Point",
    "Projection",
    "Query",
    "Root",
    "Sort",
    "Text",
    "TextMap",
    "Unchecked",
    "Vector",
    "and_",
    "by_score",
    "by_script",
    "match_all",
    "match_none",
    "not_",
    "or_",
    "raw",
    "source_includes",
    "when",
]
