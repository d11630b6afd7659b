"""SQL as text: composed from a plan and the catalog, and run elsewhere.

In reading order:

* `document`: the statements of one index.
* `objects`: one level of a document.
* `values`, `json_values`: one field, and how Postgres makes JSON of its type.
* `conditions`: filters, soft delete and order.
* `hops`: one step up to the root, for all keys of a batch.
* `keys`: keys as text, in ids and parameters.
* `identifiers`, `parameters`: names and values.
* `column_types`: whether columns still have their types.
"""
