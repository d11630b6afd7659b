"""The search page of the example store."""
