"""Decisions, all of them pure functions of values: what a node's kernel should hold, what is healthy, what to write.

No I/O, no clock (time is an argument), no logging.
"""
