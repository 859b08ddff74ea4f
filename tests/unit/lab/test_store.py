"""What is remembered of labs: claimed once, found again, forgotten without a trace."""

from dataclasses import replace
from pathlib import Path

import pytest

from mcnet.lab.hostlimits import ENOUGH, raise_inotify, restore_inotify
from mcnet.lab.spec import Families, IpFamily, LabSpec, NatKind, RuleSyntax
from mcnet.lab.store import Phase, ProcessRecord, Store, names
from mcnet.model.errors import McnetError, UsageError

SPEC = LabSpec(
    name="one",
    clusters=("a", "b"),
    nodes=3,
    ip_family=IpFamily.DUAL,
    kube_proxy_mode=RuleSyntax.IPTABLES,
    masquerade=RuleSyntax.NFTABLES,
    overlapping_cidrs=True,
    nat=(("b", NatKind.SYMMETRIC),),
    underlay_family=IpFamily.IPV6,
    cluster_families=(("a", Families(IpFamily.IPV4, IpFamily.IPV6)),),
)


def store(root: Path, name: str = "one") -> Store:
    return Store(name, root / "labs")


def test_a_claimed_lab_is_read_back_as_it_was(tmp_path: Path) -> None:
    claimed = store(tmp_path).claim(SPEC)
    assert store(tmp_path).load() == claimed
    assert (claimed.spec, claimed.phase) == (SPEC, Phase.STARTING)
    assert store(tmp_path).mark_up(claimed) == store(tmp_path).load() == replace(claimed, phase=Phase.UP)


def test_others_can_not_read_a_lab(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.claim(SPEC)
    assert (one.root.stat().st_mode & 0o777, one.directory.stat().st_mode & 0o777) == (0o700, 0o700)


def test_each_lab_gets_the_lowest_free_block(tmp_path: Path) -> None:
    indices = [store(tmp_path, name).claim(replace(SPEC, name=name), taken={0, 2}).block.index for name in "abc"]
    assert indices == [1, 3, 4]
    store(tmp_path, "b").forget()
    assert store(tmp_path, "d").claim(replace(SPEC, name="d"), taken={0, 2}).block.index == 3


def test_a_name_in_use_is_refused_with_the_way_out(tmp_path: Path) -> None:
    store(tmp_path).claim(SPEC)
    with pytest.raises(UsageError, match="'one' exists") as caught:
        store(tmp_path).claim(SPEC)
    assert "mcnet lab down --name one" in caught.value.hint


def test_no_block_left(tmp_path: Path) -> None:
    with pytest.raises(McnetError, match="all 64"):
        store(tmp_path).claim(SPEC, taken=range(64))


def test_an_unknown_lab_is_refused_with_those_there_are(tmp_path: Path) -> None:
    store(tmp_path).claim(SPEC)
    with pytest.raises(UsageError, match=r"no lab called 'two' \(labs here: one\)"):
        store(tmp_path, "two").load()


def test_who_may_not_read_a_lab_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> str:
        raise PermissionError

    one = store(tmp_path)
    one.claim(SPEC)
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(UsageError, match="'one' belongs to root") as caught:
        one.load()
    assert "sudo" in caught.value.hint


def test_the_leftover_of_a_killed_claim_is_in_nobody_s_way(tmp_path: Path) -> None:
    one = store(tmp_path)
    (one.root / ".new-one").mkdir(parents=True)
    (one.root / ".new-one" / "state.json").write_text("{")
    assert names(one.root) == []
    one.claim(SPEC)
    one.forget()
    assert not one.root.exists()


def test_processes_are_recorded_before_and_after_their_start(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.claim(SPEC)
    intended = ProcessRecord("a-n1", "kubelet", ("kubelet", "--x"))
    one.record(intended)
    assert one.processes() == [intended]
    one.record(replace(intended, pid=7, started=99))
    assert one.processes() == [replace(intended, pid=7, started=99)]


def test_forgetting_the_last_lab_removes_the_root_and_tells(tmp_path: Path) -> None:
    told: list[Path] = []
    one, two = store(tmp_path), store(tmp_path, "two")
    one.claim(SPEC)
    two.claim(replace(SPEC, name="two"))
    one.forget(told.append)
    assert (told, names(two.root)) == ([], ["two"])
    two.forget(told.append)
    assert told == [two.root]
    assert list(tmp_path.iterdir()) == []


def test_a_busy_lab_is_left_alone(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.claim(SPEC)
    with one.busy(), pytest.raises(UsageError, match="another mcnet command"), store(tmp_path).busy():
        pass
    with store(tmp_path).busy():
        assert one.load().spec == SPEC


def test_the_inotify_limit_is_raised_once_and_restored(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    limit.write_text("128\n")
    assert raise_inotify(tmp_path, limit)
    assert not raise_inotify(tmp_path, limit)
    assert int(limit.read_text()) == ENOUGH
    restore_inotify(tmp_path, limit)
    assert limit.read_text() == "128\n"
    restore_inotify(tmp_path, limit)
    assert [path.name for path in tmp_path.iterdir()] == ["limit"]


def test_an_inotify_limit_that_somebody_changed_meanwhile_stays(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    limit.write_text("128\n")
    raise_inotify(tmp_path, limit)
    limit.write_text("9999\n")
    restore_inotify(tmp_path, limit)
    assert limit.read_text() == "9999\n"
