"""The site of the documentation: what MkDocs does not do by itself.

* `hooks`: called by MkDocs (`mkdocs.yml`).
* `repository`: pages of the site for files of the repository that documents link to.
* `reference`: the parts of the reference pages that are made from the code.
* `json_schema_reference`, `command_reference`, `client_reference`: the same for the file formats, the command line and the query client.
* `since`: which version brought a key or an option.
"""
