"""The only code that touches a node's data path: links, routes, rules, next hops, nftables, sysctls.

Reads only what mcnet owns (mcnet.model.ownership) and performs changes that mcnet.plan decided. Nothing of
pyroute2 leaves this package.
"""
