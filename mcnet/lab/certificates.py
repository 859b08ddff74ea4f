"""Certificates and kubeconfigs of a cluster: one authority per cluster, one identity per component.

The names are Kubernetes' own (system:node:NAME, ...), for which it ships the roles. Keys never leave the
lab's directory, which only root can read.
"""

import base64
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mcnet.lab.addresses import Address

_KEY_FILE = "ca.key"
_VALID = datetime.timedelta(days=365)
# Clocks of the machine's guests and containers may lag.
_BACKDATED = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, in PEM. The key is kept out of `repr`."""

    certificate: bytes
    _key: bytes

    def __repr__(self) -> str:
        return "Identity(...)"

    def write(self, directory: Path, name: str) -> None:
        """Writes NAME.crt and NAME.key, the key readable by root only."""
        (directory / f"{name}.crt").write_bytes(self.certificate)
        write_secret(directory / f"{name}.key", self._key)

    def user(self) -> dict[str, str]:
        """As the `user` of a kubeconfig."""
        return {
            "client-certificate-data": base64.b64encode(self.certificate).decode(),
            "client-key-data": base64.b64encode(self._key).decode(),
        }


class Authority:
    """A cluster's certificate authority. Nodes that are added later need certificates too, so its key is kept."""

    def __init__(self, cluster: str, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        """With a `key` the authority of before: certificates name it by its name and are checked by its key."""
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(f"mcnet lab {cluster}", ())
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            _builder(self._name, self._name, self._key, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_KEY_CERT_SIGN, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)

    @classmethod
    def read(cls, cluster: str, directory: Path) -> Self:
        """The authority that `write_key` has kept."""
        key = serialization.load_pem_private_key((directory / _KEY_FILE).read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        made = cls(cluster, key)
        made.certificate = (directory / "ca.crt").read_bytes()
        return made

    def write_key(self, directory: Path) -> None:
        """Keeps the key, readable by root only."""
        write_secret(directory / _KEY_FILE, _pem(self._key))

    def client(self, name: str, *groups: str) -> Identity:
        """An identity that API servers know as user `name` in `groups`."""
        return self._issue(_subject(name, groups), ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def server(self, name: str, hosts: Iterable[str | Address]) -> Identity:
        """An identity for serving under the given DNS names and addresses."""
        return self._issue(_subject(name, ()), ExtendedKeyUsageOID.SERVER_AUTH, tuple(hosts))

    def _issue(self, subject: x509.Name, usage: x509.ObjectIdentifier, hosts: tuple[str | Address, ...]) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key, datetime.datetime.now(datetime.UTC)).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if hosts:
            names: list[x509.GeneralName] = [
                x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(ip_address(host)) for host in hosts
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def service_account_keys() -> tuple[bytes, bytes]:
    """A private and a public key for ServiceAccount tokens, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _pem(key), public


def context(name: str, server: str, authority: bytes, user: Identity) -> dict[str, Any]:
    """The parts of a kubeconfig for one cluster, everything called `name`."""
    ca = base64.b64encode(authority).decode()
    return {
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": name, "user": user.user()}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def kubeconfig(contexts: list[dict[str, Any]]) -> bytes:
    """A kubeconfig of several contexts, the first one current."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for part in ("clusters", "users", "contexts"):
        merged[part] = [entry for each in contexts for entry in each[part]]
    merged["current-context"] = merged["contexts"][0]["name"]
    return yaml.safe_dump(merged, sort_keys=False).encode()


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that only root can read, never readable by others in between."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


_KEY_CERT_SIGN = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
    )


def _subject(name: str, groups: tuple[str, ...]) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
