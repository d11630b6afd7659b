"""What the schema says of documents, for checking models against it.

In reading order:

* `shape`: the fields of an index as clients see them.
* `value_types`: what one value of a field is in Python.
* `lock`: finds and reads the compiled configuration.
* `annotations`: what a model declares of a field.
* `check`: a model against the fields, all problems at once.
* `development`: checks models when they are imported.
"""
