"""mcnet_discovery: the one daemon that talks to the broker. It mirrors objects both ways; its README is its contract.

Decisions are mcnet.plan.mirror's. Nothing here touches a kernel.
"""
