"""`mcnet diagnose`: each check is a file in `checks` with a `gather` that does I/O and a pure `judge`.

`site` reads a member once for all checks, `look` is what runs on its nodes, `run` brings checks and members
together. Nothing here changes a cluster, except for throw-away pods.
"""
