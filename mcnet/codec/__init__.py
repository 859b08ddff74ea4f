"""Translation between values and Kubernetes objects, nft texts and canonical bytes.

Pure: no I/O, no clock, no decisions.
"""
