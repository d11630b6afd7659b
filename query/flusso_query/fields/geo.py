"""Handles of places on the earth, and of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flusso_query.fields.handle import Handle
from flusso_query.options import Direction, DistanceType, SortMode, Unit, ValidationMethod, given
from flusso_query.point import Point
from flusso_query.query import Query
from flusso_query.scope import Reach
from flusso_query.sorting import Sort

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Distance:
    """A length on the surface of the earth: `Distance(12, "km")`."""

    length: float
    unit: Unit

    def __str__(self) -> str:
        return f"{self.length:g}{self.unit}" if self.length < 1e6 else f"{self.length:f}{self.unit}"


class Geo(Handle[S]):
    """A point, or a shape."""

    def within(
        self,
        distance: Distance,
        center: Point,
        *,
        distance_type: DistanceType | None = None,
        validation_method: ValidationMethod | None = None,
    ) -> Query[S]:
        """Matches where a point is at most so far from the center."""
        return self._flat(
            "geo_distance",
            {"distance": str(distance), self.path: center.dsl()},
            distance_type=distance_type,
            validation_method=validation_method,
        )

    def within_box(
        self,
        top_left: Point,
        bottom_right: Point,
        *,
        validation_method: ValidationMethod | None = None,
    ) -> Query[S]:
        """Matches where a point is in the rectangle."""
        box = {"top_left": top_left.dsl(), "bottom_right": bottom_right.dsl()}
        return self._flat("geo_bounding_box", {self.path: box}, validation_method=validation_method)

    def within_polygon(
        self, points: Sequence[Point], *, validation_method: ValidationMethod | None = None
    ) -> Query[S]:
        """Matches where a point is in the polygon of these corners, of which there are three or more."""
        corners = {"points": [point.dsl() for point in points]}
        return self._flat("geo_polygon", {self.path: corners}, validation_method=validation_method)

    def shape(self, shape: Mapping[str, Any], relation: str = "INTERSECTS") -> Query[S]:
        """Matches where the field, of type `geo_shape`, has this relation to a shape in GeoJSON."""
        return self._flat("geo_shape", {self.path: {"shape": dict(shape), "relation": relation}})

    def distance_from(
        self,
        center: Point,
        direction: Direction = "asc",
        *,
        unit: Unit | None = None,
        mode: SortMode | None = None,
        distance_type: DistanceType | None = None,
        ignore_unmapped: bool | None = None,
        where: Query[S] | None = None,
    ) -> Sort:
        """A key of an order: near ones first.  The distance, in `unit`, is in the hit's `sort` values."""
        if where is not None:
            where.reach.joined(Reach.of(self.place))
        options = given(
            {
                "unit": unit,
                "mode": mode,
                "distance_type": distance_type,
                "ignore_unmapped": ignore_unmapped,
            }
        )
        body = {self.path: center.dsl(), **options}
        return Sort("_geo_distance", direction, body, self.place, where)


class Vector(Handle[S]):
    """A vector of the k-NN plugin."""

    def knn(
        self,
        vector: Sequence[float],
        k: int,
        *,
        filter: Query[S] | None = None,
        **options: Any,
    ) -> Query[S]:
        """Matches the `k` nearest documents, of those that match `filter`; other options are sent as they are."""
        if filter is not None:
            filter.reach.joined(Reach.of(self.place))
            options["filter"] = filter.dsl()
        return self._clause("knn", "", {"vector": list(vector), "k": k, **options})
