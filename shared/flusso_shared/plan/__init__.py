"""Plans: the compiled form of a schema, and what follows from a plan and the catalog of a database.

In reading order:

* `model`: the document tree, the ways, the hash.
* `field_paths`: the fields of a document tree with their dotted paths.
* `ways`: the paths from each table up to the root.
* `spelling`, `rename`, `bind`: from the names of the schema file to the names of the database.
* `link_columns`: the columns that are compared with each other.
* `placed_conditions`, `used_columns`: what an index reads of each table.
* `requirements`: what the database lacks for a plan.
* `mapping`: plan to the body of an OpenSearch index.
* `codec`: plans as JSON.
"""
