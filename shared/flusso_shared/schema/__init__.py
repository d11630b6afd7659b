"""Schema files: one document over one root table, read from YAML, checked, and compiled into a plan.

In reading order:

* `model`: a schema as values.
* `reader`: reads a file.
* `yaml_nodes`: YAML that knows its lines.
* `level`, `identifiers`, `types`: what all fields share: their table, names, field types.
* `fields`, `columns`, `relations`, `conditions`: one reader per part of the file.
* `hash`: the structural hash, which says whether documents or mapping change.
* `compile`: schema to plan.
"""
