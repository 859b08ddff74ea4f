"""mcnet_dns: answers `clusterset.local` where the cluster's own DNS can't; its README is its contract.

Which names there are is mcnet.plan.dns_zone's, how they are answered mcnet.plan.dns_answer's, the sockets mcnet.dns'.
"""
