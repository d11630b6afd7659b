"""Names of things in Postgres and OpenSearch, as small values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

DISTRIBUTION = "flusso-kafka"
"""The name under which this product is installed; its version is asked for by it."""


class TableName(NamedTuple):
    """A table, exactly as the catalog spells it (no folding, no quoting)."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> TableName:
        """The inverse of `str()`; the first dot separates, as database schemas rarely hold one."""
        schema, _, name = text.partition(".")
        return cls(schema, name)


@dataclass(frozen=True, slots=True)
class GenerationName:
    """One physical index of a logical one: `<prefix><index>_<hash>_<number>`.

    `prefix` is the configuration's literal index prefix, usually empty.
    """

    index: str
    hash: str
    number: int
    prefix: str = ""

    @property
    def physical(self) -> str:
        """The concrete index in OpenSearch."""
        return f"{self.hash_alias}_{self.number}"

    @property
    def write_alias(self) -> str:
        """The alias that only this generation has; bulk requests go through it with `require_alias`."""
        return f"{self.physical}_write"

    @property
    def hash_alias(self) -> str:
        """The stable address that readers bound to this schema use."""
        return f"{self.prefix}{self.index}_{self.hash}"

    @property
    def plain_alias(self) -> str:
        """The convenience alias that always means the newest live generation."""
        return f"{self.prefix}{self.index}"

    def group(self, topic_prefix: str) -> str:
        """The consumer group of this generation."""
        return f"{topic_prefix}.{self.physical}"
