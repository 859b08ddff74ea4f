"""The route agent: overlay, routes, rules, source translation and MSS of its node. On every node.

Wires observe, mcnet.plan.route_agent and apply; its contract is README.md beside this file. Stopping it leaves
the data path as it is.
"""
