"""Documents that cannot be built or written: the index stops, or stores them here and continues.

In reading order:

* `quarantine`: the effect of `on_error`.
* `record`: what is stored of a document.
* `store`: the index `flusso_quarantine`.
* `causes`: the change that caused a document to be built.
"""
