"""The measures, in the order of the results."""
