"""The gateway daemon: cables to other clusters from this node. Wires observe, mcnet.plan.gateway and apply.

Its contract is README.md beside this file. Stopping it leaves the data path as it is.
"""
