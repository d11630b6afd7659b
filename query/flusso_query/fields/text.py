"""Handles of fields that hold text: analysed (`Text`) and exact (`Keyword`, `Enum`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from flusso_query.fields.handle import Handle
from flusso_query.fields.sortable import Sortable
from flusso_query.options import (
    Fuzziness,
    MinimumMatch,
    Operator,
    Rewrite,
    ZeroTerms,
)
from flusso_query.query import Query
from flusso_query.scope import Place
from flusso_query.values import spelled

S = TypeVar("S")
V = TypeVar("V")


class Keyword(Sortable[S], Generic[S, V]):
    """A field whose values are compared as they are: keywords, identifiers, addresses.

    `V` is the type of its values: `str`, `UUID`, or a `Literal`.
    """

    def __init__(
        self,
        place: Place,
        path: str,
        read: Callable[[str], Any] = str,
        *,
        subfields: bool = False,
    ) -> None:
        """`read` makes a value of the text of an aggregation's bucket; `subfields` says that there are the automatic ones."""
        super().__init__(place, path)
        self.read = read
        self._subfields = subfields

    def eq(self, value: V, *, case_insensitive: bool | None = None) -> Query[S]:
        """Matches where a value is this one."""
        return self._clause("term", "value", spelled(value), case_insensitive=case_insensitive)

    def any_of(self, values: Iterable[V]) -> Query[S]:
        """Matches where a value is one of these; without values, nowhere."""
        return self._flat("terms", {self.path: [spelled(value) for value in values]})

    def prefix(
        self, text: str, *, case_insensitive: bool | None = None, rewrite: Rewrite | None = None
    ) -> Query[S]:
        """Matches where a value begins with the text."""
        return self._clause(
            "prefix", "value", text, case_insensitive=case_insensitive, rewrite=rewrite
        )

    def wildcard(
        self, pattern: str, *, case_insensitive: bool | None = None, rewrite: Rewrite | None = None
    ) -> Query[S]:
        """Matches a pattern, in which `*` stands for any text and `?` for one character."""
        return self._clause(
            "wildcard", "value", pattern, case_insensitive=case_insensitive, rewrite=rewrite
        )

    def regexp(
        self,
        pattern: str,
        *,
        case_insensitive: bool | None = None,
        flags: str | None = None,
        max_determinized_states: int | None = None,
        rewrite: Rewrite | None = None,
    ) -> Query[S]:
        """Matches a regular expression of Lucene, which must fit the whole value."""
        return self._clause(
            "regexp",
            "value",
            pattern,
            case_insensitive=case_insensitive,
            flags=flags,
            max_determinized_states=max_determinized_states,
            rewrite=rewrite,
        )

    def fuzzy(
        self,
        text: str,
        *,
        fuzziness: Fuzziness | None = None,
        prefix_length: int | None = None,
        max_expansions: int | None = None,
        transpositions: bool | None = None,
        rewrite: Rewrite | None = None,
    ) -> Query[S]:
        """Matches where a value is within a few edits of the text."""
        return self._clause(
            "fuzzy",
            "value",
            text,
            fuzziness=fuzziness,
            prefix_length=prefix_length,
            max_expansions=max_expansions,
            transpositions=transpositions,
            rewrite=rewrite,
        )

    @property
    def text(self) -> Text[S]:
        """The subfield that is split into words."""
        self._require_subfields()
        return Text(self.place, f"{self.path}.text")

    @property
    def keyword_lowercase(self) -> Keyword[S, str]:
        """The subfield that ignores case and accents."""
        self._require_subfields()
        return Keyword(self.place, f"{self.path}.keyword_lowercase")

    def _require_subfields(self) -> None:
        if not self._subfields:
            raise missing_subfields(self)


class Enum(Keyword[S, V]):
    """A keyword with declared variants: it sorts in their order."""

    @property
    def sort_path(self) -> str:
        return f"{self.path}.sort"


class Text(Sortable[S]):
    """A field that is split into words, and searched by them.  Not compared as a whole: for that, see `keyword`."""

    def __init__(self, place: Place, path: str, *, subfields: bool = False) -> None:
        """`subfields` says that there are the automatic ones."""
        super().__init__(place, path)
        self._subfields = subfields

    def match(
        self,
        text: str,
        *,
        operator: Operator | None = None,
        minimum_should_match: MinimumMatch | None = None,
        fuzziness: Fuzziness | None = None,
        prefix_length: int | None = None,
        max_expansions: int | None = None,
        analyzer: str | None = None,
        zero_terms_query: ZeroTerms | None = None,
        lenient: bool | None = None,
    ) -> Query[S]:
        """Matches where words of the text occur: one of them, or all with `operator="AND"`."""
        return self._clause(
            "match",
            "query",
            text,
            operator=operator,
            minimum_should_match=minimum_should_match,
            fuzziness=fuzziness,
            prefix_length=prefix_length,
            max_expansions=max_expansions,
            analyzer=analyzer,
            zero_terms_query=zero_terms_query,
            lenient=lenient,
        )

    def match_fuzzy(self, text: str) -> Query[S]:
        """`match` that allows for a few wrong letters."""
        return self.match(text, fuzziness="AUTO")

    def match_phrase(
        self,
        text: str,
        *,
        slop: int | None = None,
        analyzer: str | None = None,
        zero_terms_query: ZeroTerms | None = None,
    ) -> Query[S]:
        """Matches where the words stand one after the other, with up to `slop` others between."""
        return self._clause(
            "match_phrase",
            "query",
            text,
            slop=slop,
            analyzer=analyzer,
            zero_terms_query=zero_terms_query,
        )

    def match_phrase_prefix(
        self,
        text: str,
        *,
        slop: int | None = None,
        max_expansions: int | None = None,
        analyzer: str | None = None,
        zero_terms_query: ZeroTerms | None = None,
    ) -> Query[S]:
        """`match_phrase` whose last word may be unfinished."""
        return self._clause(
            "match_phrase_prefix",
            "query",
            text,
            slop=slop,
            max_expansions=max_expansions,
            analyzer=analyzer,
            zero_terms_query=zero_terms_query,
        )

    def match_bool_prefix(
        self,
        text: str,
        *,
        operator: Operator | None = None,
        minimum_should_match: MinimumMatch | None = None,
        fuzziness: Fuzziness | None = None,
        prefix_length: int | None = None,
        max_expansions: int | None = None,
        analyzer: str | None = None,
    ) -> Query[S]:
        """`match` whose last word may be unfinished: for a field that searches while one types."""
        return self._clause(
            "match_bool_prefix",
            "query",
            text,
            operator=operator,
            minimum_should_match=minimum_should_match,
            fuzziness=fuzziness,
            prefix_length=prefix_length,
            max_expansions=max_expansions,
            analyzer=analyzer,
        )

    def any_of(self, values: Iterable[str]) -> Query[S]:
        """Matches where the whole text is one of these: by the subfield `keyword`, which has texts of up to 256 characters."""
        return self.keyword.any_of(values)

    @property
    def keyword(self) -> Keyword[S, str]:
        """The subfield with the whole text as one value."""
        self._require_subfields()
        return Keyword(self.place, f"{self.path}.keyword")

    @property
    def keyword_lowercase(self) -> Keyword[S, str]:
        """The subfield with the whole text, without case and accents."""
        self._require_subfields()
        return Keyword(self.place, f"{self.path}.keyword_lowercase")

    @property
    def sort_path(self) -> str:
        return self.keyword_lowercase.path

    def boosted(self, weight: float) -> Weighted[S]:
        """The field for `multi_match`, where it counts `weight` times."""
        return Weighted(self, weight)

    def _require_subfields(self) -> None:
        if not self._subfields:
            raise missing_subfields(self)


class Weighted(Generic[S]):
    """A text field with its weight among others."""

    def __init__(self, field: Text[S], weight: float) -> None:
        self.place = field.place
        self.path = f"{field.path}^{weight:g}"


def missing_subfields(field: Handle[Any]) -> TypeError:
    return TypeError(
        f"`{field.path}` has no automatic subfields: `auto_subfields` is off for a sink, or the field has `fields` of its"
        " own in the schema. Use `raw`, or a keyword field"
    )
