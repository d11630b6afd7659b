"""The report of `flusso check`.

In reading order:

* `report`: what was found.
* `text_report`, `json_report`: how it is printed.
* `tree`: the documents as a tree.
* `addresses`: which address comes from where, without secrets.
* `source_location`: the line of a finding in a schema file.
"""
