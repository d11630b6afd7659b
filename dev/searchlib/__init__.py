"""A search page over the example store: how an application reads the indexes with `flusso_query`.

In reading order:

* `documents`: the models, made by `flusso models generate`.
* `cards`: the projection that a page of results needs.
* `catalog`: what visitors ask for, as searches, and what the page gets.
* `app`: the page and its JSON routes.
* `main`: the command.
"""
