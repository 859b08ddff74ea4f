"""`mcnet lab`: options become a spec; what can't be done is one sentence with the next command."""

import json
from pathlib import Path
from typing import Any

import pytest

from mcnet.cli import lab as command
from mcnet.cli.entry import main
from mcnet.lab import lab as lab_module
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.lab import Lab
from mcnet.lab.spec import Families, IpFamily, LabSpec, NatKind, RuleSyntax
from mcnet.lab.store import Store


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for labs of this test's own; the user is root."""
    monkeypatch.setattr(command, "_lab", lambda name: Lab(name, tmp_path / "labs"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path / "labs"


def test_options_become_a_spec(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[LabSpec] = []

    async def up(self: Lab, spec: LabSpec, *_: Any) -> None:
        self.store.claim(spec)
        asked.append(spec)

    monkeypatch.setattr(Lab, "up", up)
    options = [
        *("--name", "x", "--clusters", "a,b", "--nodes", "3", "--ip-family", "dual", "--overlapping-cidrs"),
        *("--kube-proxy-mode", "iptables", "--masquerade", "nftables", "--nat", "a:symmetric", "--nat", "b"),
        *("--underlay-family", "ipv6", "--cluster-family", "b:ipv4/ipv6"),
    ]
    assert main(["lab", "up", *options]) == 0
    assert asked == [
        LabSpec(
            name="x",
            clusters=("a", "b"),
            nodes=3,
            ip_family=IpFamily.DUAL,
            kube_proxy_mode=RuleSyntax.IPTABLES,
            masquerade=RuleSyntax.NFTABLES,
            overlapping_cidrs=True,
            nat=(("a", NatKind.SYMMETRIC), ("b", NatKind.EIM)),
            underlay_family=IpFamily.IPV6,
            cluster_families=(("b", Families(IpFamily.IPV4, IpFamily.IPV6)),),
        )
    ]


@pytest.mark.parametrize(
    "arguments", [["up"], ["down"], ["impair", "east-n1", "wan", "--cut"], ["reboot", "east-n1"]]
)
def test_without_root_the_command_to_use_is_named(
    arguments: list[str], root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["lab", *arguments]) == 2
    assert f"sudo mcnet lab {arguments[0]}" in capsys.readouterr().err


def test_a_name_in_use(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store("lab", root).claim(LabSpec())
    assert main(["lab", "up"]) == 2
    error = capsys.readouterr().err
    assert "'lab' exists already" in error
    assert "mcnet lab down --name lab" in error


@pytest.mark.parametrize("arguments", [["down"], ["status"], ["kubeconfig"], ["exec", "wan", "--", "true"]])
def test_an_unknown_lab(arguments: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", *arguments]) == 2
    assert "there is no lab called 'lab'" in capsys.readouterr().err


def test_a_failing_feature_check_is_reported(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def gather(*_: object) -> None:
        from mcnet.lab.features import check

        check(["VETH"])

    monkeypatch.setattr(lab_module, "gather", gather)
    assert main(["lab", "up"]) == 1
    assert "CONFIG_VETH" in capsys.readouterr().err
    assert not root.exists()


def test_kubeconfig_prints_a_path_and_nothing_else(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store("lab", root).claim(LabSpec())
    assert main(["lab", "kubeconfig"]) == 0
    assert capsys.readouterr().out == f"{root}/lab/kubeconfig\n"


def test_status_for_scripts_and_for_people(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store("lab", root).claim(LabSpec(nat=(("west", NatKind.EIM),)))
    assert main(["lab", "status", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    east, west = found["clusters"]
    assert (east["context"], east["nat"], west["nat"]) == ("east", None, "eim")
    assert east["nodes"][0]["interfaces"] == {"wan0": ["10.64.0.5"], "eth0": ["10.64.64.11"]}
    assert east["nodes"][0]["namespace"] == found["namespaces"]["east/n1"] == "mcnet-lab-east-n1"
    assert main(["lab", "status"]) == 0
    assert "not running" in capsys.readouterr().out


def test_exec_replaces_this_process_and_keeps_the_arguments(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store("lab", root).claim(LabSpec())
    ran: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, argv: ran.append(argv))
    assert main(["lab", "exec", "wan", "--", "ip", "-4", "route"]) == 0
    assert ran == [["nsenter", "--net=/run/netns/mcnet-lab-wan", "--", "ip", "-4", "route"]]


def test_exec_in_an_unknown_place_names_the_others(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store("lab", root).claim(LabSpec())
    assert main(["lab", "exec", "east/n7", "--", "true"]) == 2
    assert "east/n1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--cut"], Impairment(cut=True)),
        (["--rate", "10mbit", "--drop", "5%"], Impairment(rate="10mbit", drop_percent=5)),
        (["--delay", "20ms"], Impairment(delay="20ms")),
        (["--restore"], Impairment()),
    ],
)
def test_impair(options: list[str], fault: Impairment, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def impair(self: Lab, *arguments: object) -> None:
        asked.append(arguments)

    monkeypatch.setattr(Lab, "impair", impair)
    assert main(["lab", "impair", "east-n1", "wan", *options]) == 0
    assert asked == [("east-n1", LinkName.WAN, fault)]


@pytest.mark.parametrize("options", [[], ["--restore", "--cut"]])
def test_impair_needs_one_meaning(options: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "impair", "east-n1", "wan", *options]) == 2
    assert "--restore" in capsys.readouterr().err


def test_load_image_names_what_is_wrong(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store("lab", root).claim(LabSpec())
    assert main(["lab", "load-image", "/no/such.tar"]) == 2
    assert "'/no/such.tar'" in capsys.readouterr().err
    assert main(["lab", "load-image", "/no/such.tar", "--cluster", "north"]) == 2
    assert "north" in capsys.readouterr().err


def test_what_can_not_be_rebooted_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lab("x", root).store.claim(LabSpec(name="x"))
    assert main(["lab", "reboot", "south-n1", "--name", "x"]) == 2
    said = capsys.readouterr().err
    assert "has no machine 'south-n1'" in said
    assert "east-n1" in said
