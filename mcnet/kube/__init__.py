"""The only code that talks to an API server.

Foreign exceptions are translated here; nothing of the client library leaves it.
"""
