"""Documents that cannot be built or written: stop, or keep them aside and go on.

In reading order:

* `quarantine`: what `on_error` decides.
* `record`: what is kept of a document.
* `store`: the index `flusso_quarantine`.
* `causes`: the change that a document goes back to.
"""
