"""`mcnet diagnose service`: one service's way from its export to a connection, rung by rung, up to the first that is
broken.

`evidence` says what is known of it, `gather` reads that, `reach` is what runs in pods; `ladder` has the rungs, judged
in `objects` and `seen` (pure), `climb` brings them together.
"""
