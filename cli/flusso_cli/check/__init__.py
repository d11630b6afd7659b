"""`flusso check`: everything about a configuration that can be known before it runs, and nothing changed by it.

`facts` and the probes ask the servers; the other modules decide what the answers mean, and are pure; the
reports show it.
"""
