"""Whom an export is for, and whom an importer and an exporter take it for."""

from hypothesis import given

from mcnet.model.cluster import ClusterId
from mcnet.model.service import EXPORT_TO_ANNOTATION, ExportedService
from mcnet.plan.service_audience import concerning, is_for, named, strangers
from tests.fakes.services import EAST, NORTH, WEST, exported, exporters

TO = EXPORT_TO_ANNOTATION
ALL = (EAST, NORTH, WEST)


def test_all_or_those_that_are_named() -> None:
    assert is_for(None, WEST)
    assert is_for((EAST, WEST), WEST)
    assert not is_for((EAST, NORTH), WEST)


def test_exports_that_meet_in_no_cluster_do_not_concern_each_other() -> None:
    own = exported(EAST, to=(EAST, NORTH))
    meeting = [exported(WEST), exported(WEST, to=(NORTH, WEST)), exported(WEST, to=(EAST, WEST))]
    assert concerning(own, [*meeting, exported(WEST, to=(WEST,))]) == meeting
    assert concerning(exported(EAST), meeting) == meeting


@given(exporters())
def test_what_concerns_is_what_some_cluster_sees_beside_it(records: list[ExportedService]) -> None:
    for own in records:
        others = [one for one in records if one is not own]
        found = concerning(own, others)
        assert found == [one for one in others if any(is_for(own.to, c) and is_for(one.to, c) for c in ALL)]
        assert is_for(own.to, own.cluster)


def test_strangers_are_told_beside_the_members() -> None:
    assert strangers(TO, (), ALL) == ""
    assert strangers(TO, (EAST, WEST), ALL) == ""
    assert strangers(TO, (EAST, ClusterId("wets")), ALL) == (
        "mcnet.dev/export-to names wets, which is no member of the clusterset: east, north, west"
    )
    assert strangers(TO, (EAST, ClusterId("wets")), ()) == ""
    assert "names a, b, which are no members" in strangers(TO, (ClusterId("b"), ClusterId("a")), ALL)


def test_many_are_counted() -> None:
    assert named(f"c{n}" for n in range(10)) == "c0, c1, c2, c3, c4, c5, c6, c7 and 2 more"
    assert named(()) == "nobody"
