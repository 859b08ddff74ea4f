"""Holds the WireGuard devices of a gateway whose kernel has no WireGuard: starts wireguard-go, and nothing else.

Its contract is README.md beside this file. It is the data path: ending it takes the devices away.
"""
