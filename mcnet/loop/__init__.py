"""What every daemon shares: the reconciling loop, health, metrics, logging, orderly stop.

No decisions about networks belong here.
"""
