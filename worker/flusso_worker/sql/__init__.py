"""Composes SQL from a plan and the catalog.  Nothing is run here.

In reading order:

* `document`: the statements of one index.
* `objects`: one level of a document.
* `values`, `json_values`: one field, and the JSON of its type.
* `conditions`: filters, soft delete and order.
* `hops`: one hop on the way up to the root, for all keys of a batch.
* `keys`: keys as text, in ids and parameters.
* `identifiers`, `parameters`: names of tables, and values of parameters.
* `column_types`: a check whether columns still have their types.
"""
