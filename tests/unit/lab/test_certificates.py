"""Certificates that OpenSSL accepts for the right names, and keys that stay secret."""

from ipaddress import ip_address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from mcnet.lab.certificates import Authority, context, kubeconfig, write_secret

ADDRESS = ip_address("10.64.0.3")


def test_a_server_is_trusted_under_its_names_and_addresses() -> None:
    authority = Authority("east")
    server = x509.load_pem_x509_certificate(authority.server("api", ["kubernetes", ADDRESS]).certificate)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
    assert names.get_values_for_type(x509.IPAddress) == [ADDRESS]
    root = x509.load_pem_x509_certificate(authority.certificate)
    server.verify_directly_issued_by(root)
    assert PolicyBuilder().store(Store([root])) is not None


def test_a_client_carries_user_and_groups() -> None:
    client = x509.load_pem_x509_certificate(Authority("east").client("system:node:n1", "system:nodes").certificate)
    assert client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:n1"
    assert client.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_keys_are_not_shown_and_not_readable_by_others(tmp_path: Path) -> None:
    identity = Authority("east").client("admin")
    assert "PRIVATE" not in repr(identity)
    identity.write(tmp_path, "admin")
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "open").write_text("old")
    write_secret(tmp_path / "open", b"new")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o600


def test_one_kubeconfig_for_all_clusters() -> None:
    contexts = []
    for name in ("east", "west"):
        authority = Authority(name)
        contexts.append(context(name, f"https://{name}:6443", authority.certificate, authority.client("admin")))
    merged = yaml.safe_load(kubeconfig(contexts))
    assert [each["name"] for each in merged["contexts"]] == ["east", "west"]
    assert merged["current-context"] == "east"
    assert merged["clusters"][1]["cluster"]["server"] == "https://west:6443"
