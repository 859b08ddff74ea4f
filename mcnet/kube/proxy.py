"""Which HTTP proxy leads to an API server, by the same rules as kubectl (Go's httpproxy package).

The client library's own rule knows no prefixes in NO_PROXY and would ask the proxy for loopback addresses.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(server: str, environment: Mapping[str, str]) -> str:
    """URL of the proxy for the API server's URL, "" to go there directly."""
    url = urlsplit(server)
    name = "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY"
    proxy = environment.get(name) or environment.get(name.lower()) or ""
    host = (url.hostname or "").lower()
    if not proxy or _is_loopback(host):
        return ""
    exceptions = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if any(_matches(entry.strip().lower(), host, url.port) for entry in exceptions.split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY is for the host: `*`, a prefix, an address or a domain, perhaps with a port."""
    if not entry:
        return False
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    head, colon, tail = entry.rpartition(":")
    if colon and tail.isdecimal() and "]" not in tail:
        if port is not None and int(tail) != port:
            return False
        entry = head
    if entry.strip("[]") == host:
        return True
    domain = entry.removeprefix("*").removeprefix(".")
    return host.endswith(f".{domain}") or (host == domain and not entry.startswith((".", "*")))
