"""`flusso check`: validates a configuration against itself, the database and the other servers.

In reading order:

* `command`: the command.
* `examine`: asks the servers, and applies the rules.
* `probe`: reads facts from the servers.
* `rules`: facts to findings.
* `output`: the report, as text and as JSON.
"""
