"""Proxies, as kubectl chooses them."""

import pytest

from mcnet.kube import connect
from mcnet.kube.proxy import proxy_for

PROXY = {"HTTPS_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("server", "environment", "expected"),
    [
        ("https://api.example:6443", {}, ""),
        ("https://api.example:6443", PROXY, "http://proxy:3128"),
        ("https://api.example:6443", {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ("http://api.example", PROXY, ""),
        ("http://api.example", {"HTTP_PROXY": "http://p"}, "http://p"),
        ("https://127.0.0.1:6443", PROXY, ""),
        ("https://[::1]:6443", PROXY, ""),
        ("https://localhost:6443", PROXY, ""),
        ("https://10.1.2.3:6443", PROXY | {"NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://10.1.2.3:6443", PROXY | {"no_proxy": "192.168.0.0/16, 10.1.2.3"}, ""),
        ("https://11.1.2.3:6443", PROXY | {"NO_PROXY": "10.0.0.0/8"}, "http://proxy:3128"),
        ("https://[fd00::1]:6443", PROXY | {"NO_PROXY": "fd00::/8"}, ""),
        ("https://api.example", PROXY | {"NO_PROXY": "example"}, ""),
        ("https://example", PROXY | {"NO_PROXY": "example"}, ""),
        ("https://example", PROXY | {"NO_PROXY": ".example"}, "http://proxy:3128"),
        ("https://api.example", PROXY | {"NO_PROXY": ".example"}, ""),
        ("https://api.example", PROXY | {"NO_PROXY": "*.example"}, ""),
        ("https://notexample", PROXY | {"NO_PROXY": "example"}, "http://proxy:3128"),
        ("https://api.example:6443", PROXY | {"NO_PROXY": "api.example:6443"}, ""),
        ("https://api.example:6443", PROXY | {"NO_PROXY": "api.example:443"}, "http://proxy:3128"),
        ("https://api.example", PROXY | {"NO_PROXY": "*"}, ""),
        ("https://api.example", PROXY | {"NO_PROXY": ",,"}, "http://proxy:3128"),
    ],
)  # fmt: skip
def test_choice(server: str, environment: dict[str, str], expected: str) -> None:
    assert proxy_for(server, environment) == expected


async def test_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    for host, expected in (("outside", "http://proxy:3128"), ("inside", None)):
        async with await connect.with_token(server=f"https://{host}.example", ca=b"", token="x") as api:
            assert api._transport._proxy == expected  # type: ignore[attr-defined]
