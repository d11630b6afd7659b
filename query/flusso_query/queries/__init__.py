"""Queries that are not of one field.

In reading order:

* `words`: words in several fields, and languages of queries.
* `compound`: queries made of queries, and how scores come about.
* `scored`: queries whose point is their score.
"""
