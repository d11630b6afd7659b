"""Typed queries on the OpenSearch indexes that flusso-kafka maintains.

In reading order:

* `document`, `binding`, `projection`, `point`: models, the index and the parts of documents that each reads, and a type of their values.
* `schema`: what the schema says of documents, and whether a model fits it.
* `serializers`: how opensearch-py reads replies: with all digits of numbers, or sooner.
* `scope`, `query`: conditions, and which go together.
* `fields`: handles of fields, which make conditions.
* `queries`: conditions that are not of one field.
* `sorting`: orders.
* `aggregations`: what is computed over all documents found.
* `search`: searches, and what they gave.
* `client`: the calls.
* `errors`: what can go wrong.
"""

from flusso_query.aggregations.aggregation import Aggregation, Computed
from flusso_query.aggregations.buckets import (
    Bucket,
    Buckets,
    Span,
    date_histogram,
    date_ranges,
    histogram,
    missing,
    ranges,
    terms,
)
from flusso_query.aggregations.composite import Composite, composite
from flusso_query.aggregations.levels import filtered, nested, parents
from flusso_query.aggregations.metrics import (
    Stats,
    avg,
    cardinality,
    max_,
    min_,
    percentiles,
    stats,
    sum_,
    value_count,
)
from flusso_query.binding import Binding
from flusso_query.client.async_client import AsyncClient
from flusso_query.client.sync_client import Client
from flusso_query.document import Document, Fragment
from flusso_query.fields.geo import Distance, Geo, Vector
from flusso_query.fields.levels import Fields, Nested, Object, Projection
from flusso_query.fields.maps import DateMap, KeywordMap, NumberMap, TextMap
from flusso_query.fields.ordered import Binary, Bool, Date, Json, Number
from flusso_query.fields.text import Enum, Keyword, Text
from flusso_query.point import Point
from flusso_query.projection import source_includes
from flusso_query.queries.compound import (
    Function,
    boosting,
    constant_score,
    dis_max,
    function_score,
)
from flusso_query.queries.scored import distance_feature, rank_feature, script, script_score
from flusso_query.queries.words import (
    combined_fields,
    ids,
    more_like_this,
    multi_match,
    query_string,
    simple_query_string,
)
from flusso_query.query import Query, and_, match_all, match_none, not_, or_, raw, when
from flusso_query.schema.annotations import Unchecked
from flusso_query.scope import Place, Root
from flusso_query.search.builder import Search
from flusso_query.search.highlight import Highlight
from flusso_query.search.result import Hit, Result, Shards
from flusso_query.serializers import ExactSerializer, FastSerializer
from flusso_query.sorting import Sort, by_score, by_script

__all__ = [
    "Aggregation",
    "AsyncClient",
    "Binary",
    "Binding",
    "Bool",
    "Bucket",
    "Buckets",
    "Client",
    "Composite",
    "Computed",
    "Date",
    "DateMap",
    "Distance",
    "Document",
    "Enum",
    "ExactSerializer",
    "FastSerializer",
    "Fields",
    "Fragment",
    "Function",
    "Geo",
    "Highlight",
    "Hit",
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
    "Result",
    "Root",
    "Search",
    "Shards",
    "Sort",
    "Span",
    "Stats",
    "Text",
    "TextMap",
    "Unchecked",
    "Vector",
    "and_",
    "avg",
    "boosting",
    "by_score",
    "by_script",
    "cardinality",
    "combined_fields",
    "composite",
    "constant_score",
    "date_histogram",
    "date_ranges",
    "dis_max",
    "distance_feature",
    "filtered",
    "function_score",
    "histogram",
    "ids",
    "match_all",
    "match_none",
    "max_",
    "min_",
    "missing",
    "more_like_this",
    "multi_match",
    "nested",
    "not_",
    "or_",
    "parents",
    "percentiles",
    "query_string",
    "ranges",
    "rank_feature",
    "raw",
    "script",
    "script_score",
    "simple_query_string",
    "source_includes",
    "stats",
    "sum_",
    "terms",
    "value_count",
    "when",
]
