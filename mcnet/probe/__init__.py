"""Packets of our own that measure and tell: probes (ICMP), adverts (UDP). Decisions on them are in mcnet.plan."""
