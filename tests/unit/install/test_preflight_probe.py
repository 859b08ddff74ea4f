"""What the probe does inside of a pod: ports, sysctls, features, and the way to the broker."""

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mcnet.install import preflight_probe
from mcnet.install.preflight_probe import look_at_node, main, port_problem, ports_problems, reach_broker
from mcnet.kernel.features import MissingFeature
from mcnet.model.errors import KernelError


def certificate(directory: Path) -> tuple[bytes, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    path = directory / "pem"
    unlocked = serialization.NoEncryption()
    path.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unlocked))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return pem, context


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[str, bytes]]:
    """URL and CA of a TLS server that says nothing."""
    pem, context = certificate(tmp_path)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", pem


async def test_a_broker_that_is_there(server: tuple[str, bytes]) -> None:
    assert await reach_broker(*server) == []


async def test_a_broker_with_another_certificate(server: tuple[str, bytes], tmp_path: Path) -> None:
    other, _ = certificate(tmp_path)
    (problem,) = await reach_broker(server[0], other)
    assert "does not have the broker's certificate" in problem


async def test_a_broker_that_refuses() -> None:
    (problem,) = await reach_broker("https://127.0.0.1:1", b"")
    assert problem.startswith("no connection to 127.0.0.1:1: ")


async def test_a_broker_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_probe, "CONNECT_TIMEOUT", 0.1)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert await reach_broker(f"https://127.0.0.1:{port}", b"") == [
            f"no connection to 127.0.0.1:{port} within 0.1 s"
        ]


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")])
def test_ports(kind: int, name: str) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        port = sock.getsockname()[1]
        assert port_problem(kind, port) == f"{name} port {port} is in use on the node"
    assert port_problem(kind, port) == ""


async def test_ports_that_mcnet_holds_itself_are_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {4520, 4800, 4801, 4581, 4582}
    monkeypatch.setattr(preflight_probe, "port_problem", lambda kind, port: f"{port}" if port in taken else "")

    async def ours(port: int) -> bool:
        return port == 4582

    monkeypatch.setattr(preflight_probe, "is_ours", ours)
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "mcnet-vx")])
    assert await ports_problems([4520, 4800, 4801], [4581, 4582]) == ["4520", "4581"]
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "mcnet-cv6")])
    assert await ports_problems([4520, 4800, 4801], [4582]) == ["4800", "4801"]


async def test_nat_discovery_may_be_anothers_or_an_earlier_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port is no reason not to join: a gateway that is alone has no cable device that would tell it is ours."""
    gateways: set[int] = set()

    async def ours(port: int) -> bool:
        return port in gateways

    monkeypatch.setattr(preflight_probe, "is_ours", ours)
    monkeypatch.setattr(preflight_probe, "NAT_DISCOVERY_PORT", 0)
    assert await preflight_probe.nat_discovery_notes() == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 0))
        port = other.getsockname()[1]
        monkeypatch.setattr(preflight_probe, "NAT_DISCOVERY_PORT", port)
        (note,) = await preflight_probe.nat_discovery_notes()
        assert note.startswith(f"UDP port {port} is in use on the node, so gateways can't find out")
        gateways.add(preflight_probe.GATEWAY_METRICS_PORT)
        assert await preflight_probe.nat_discovery_notes() == []


async def test_a_good_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lacks(monkeypatch)
    sysctls(monkeypatch, tmp_path)
    assert await look_at_node([], []) == ([], [])


async def test_what_a_node_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lacks(
        monkeypatch,
        MissingFeature("VXLAN devices", "3.7", True, "not supported"),
        MissingFeature("resilient next-hop groups", "5.13", False, "invalid"),
    )
    monkeypatch.setenv("MCNET_PROC_SYS_NET", str(tmp_path / "missing"))
    problems, notes = await look_at_node([], [])
    assert problems == [
        "the kernel lacks VXLAN devices (Linux 3.7): not supported",
        f"{tmp_path}/missing/ipv4/conf/all/rp_filter can't be written from a pod",
    ]
    assert notes == ["the kernel lacks resilient next-hop groups (Linux 5.13): invalid"]


async def test_a_node_where_nothing_may_be_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def denied() -> list[MissingFeature]:
        raise KernelError("open a netlink socket: not permitted")

    monkeypatch.setattr(preflight_probe, "check", denied)
    sysctls(monkeypatch, tmp_path)
    problems, _ = await look_at_node([], [])
    assert problems == ["the kernel can't be tried: open a netlink socket: not permitted"]


def lacks(monkeypatch: pytest.MonkeyPatch, *missing: MissingFeature) -> None:
    async def check() -> list[MissingFeature]:
        return list(missing)

    monkeypatch.setattr(preflight_probe, "check", check)


def sysctls(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    path = root / preflight_probe.SYSCTL
    path.parent.mkdir(parents=True)
    path.write_text("1")
    monkeypatch.setenv("MCNET_PROC_SYS_NET", str(root))


def test_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["broker", "https://127.0.0.1:1", base64.b64encode(b"").decode()]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"problems", "notes"}
    assert main(["something"]) == 2
