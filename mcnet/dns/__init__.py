"""The DNS server: sockets and the cache of finished answers. What is answered is mcnet.plan.dns_answer's."""
