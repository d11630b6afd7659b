"""`flusso status`: the whole deployment on one screen.

In reading order:

* `command`: the command: looks once, or again and again.
* `screen`: an overview -> what is shown.
* `words`: numbers -> text.
"""
