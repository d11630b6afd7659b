"""Aggregations: what OpenSearch computes over all documents that a search finds.

In reading order:

* `aggregation`: one aggregation, and how its result is typed.
* `buckets`: what groups documents.
* `metrics`: what computes a number.
* `levels`: elements of nested arrays, and documents that match a query.
* `composite`: all combinations, page by page.
"""
