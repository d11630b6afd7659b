"""`flusso init`: writes schema files for an existing database.

In reading order:

* `command`: the command.
* `survey`, `database`: tables and foreign keys as values, and how they are read.
* `choice`: which tables become documents.
* `document`, `columns`, `relations`, `names`: one schema file.
* `files`: what is written where.
"""
