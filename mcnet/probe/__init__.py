"""Packets of our own that measure and tell: cable probes (ICMP), adverts (UDP). Decisions on them are in mcnet.plan."""
