"""Rules: facts to findings, each with what to do about it.

In reading order:

* `tables`: tables, privileges, primary keys.
* `fields`, `relations`, `types`: what a schema says of columns, against their types.
* `column_facts`: what the rules about columns share.
* `lookup_indexes`: indexes that the worker's queries need.
* `server`: settings of the server.
* `publication`, `replica_identity`: what capture needs.
* `statements`, `bisect`: runs the SQL of an index, and finds what makes it fail.
* `prune`: leaves out what is wrong, so that the rest can be run.
"""
