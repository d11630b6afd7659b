"""`flusso models`: Python models of documents, made from the schema or checked against it.

In reading order:

* `command`: the commands.
* `module`: a module of models and field handles.
* `levels`: the classes of one level of a document.
* `handles`: the handle that each field has.
* `names`: of classes, constants and attributes.
* `layout`: lines that are not too long.
* `check`: imports a file, and says what does not fit.
"""
