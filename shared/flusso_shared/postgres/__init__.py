"""Postgres as capture, worker and command line all see it: sessions, errors, catalog, privileges.

In reading order:

* `connection`: opens sessions with settings of our own.
* `probe`: asks whether the server answers.
* `errors`: SQLSTATE to our errors.
* `catalog`: tables, columns and types as values.
* `catalog_reader`, `type_reader`: read them.
* `relation_kinds`: relations that cannot be followed.
* `privileges`, `row_security`: rows and tables that the role cannot read.
"""
