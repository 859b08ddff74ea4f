"""The DNS daemon's settings."""

import pytest

from mcnet.model.dns import HOSTS
from mcnet.model.errors import UsageError
from mcnet.plan.dns_zone import Options
from mcnet_dns.settings import Settings


def test_defaults() -> None:
    found = Settings.from_environment({})
    assert found == Settings(port=5353, metrics_port=4584, hosts=HOSTS, cluster_names=False)
    assert found.options == Options()


def test_every_variable() -> None:
    environment = {
        "MCNET_DNS_PORT": "53", "MCNET_METRICS_PORT": "9", "MCNET_DNS_HEADLESS_LIMIT": "0",
        "MCNET_DNS_CLUSTER_NAMES": "true",
    }  # fmt: skip
    found = Settings.from_environment(environment)
    assert found == Settings(port=53, metrics_port=9, hosts=0, cluster_names=True)
    assert found.options == Options(hosts=0, cluster_names=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MCNET_DNS_PORT", "x"), ("MCNET_METRICS_PORT", "-1"), ("MCNET_DNS_HEADLESS_LIMIT", ""),
     ("MCNET_DNS_CLUSTER_NAMES", "yes")],
)  # fmt: skip
def test_what_is_none_is_told(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        Settings.from_environment({name: value})
