"""Handles of fields: each kind has the conditions, orders and options that OpenSearch has for it.

In reading order:

* `handle`: what all have in common.
* `sortable`: what can be sorted by.
* `text`: words and exact texts.
* `ordered`: numbers, dates, booleans, and fields that are not searched.
* `geo`: places and vectors.
* `maps`: objects whose keys are data.
* `levels`: namespaces, and nested arrays.
"""
