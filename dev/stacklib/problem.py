"""What went wrong, in words for the person at the terminal."""


class Problem(Exception):
    """Something that the user can put right; the message says how.  Shown without a traceback."""
